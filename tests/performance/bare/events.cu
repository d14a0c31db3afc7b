// What four events cost a request, with no Python in the process: copy in, replay a graph, copy
// out, wait. Blocks of requests without events, with four, and with four that keep no time, in
// turn. Prints, for each number of kernels in the graph, medians in microseconds: host time without
// events, what four events add, and what they add where they keep no time.

#include <cuda_runtime.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

constexpr int kRequests = 100;
constexpr int kPairs = 60;
constexpr int kWarmUps = 20;
constexpr int kEvents = 4;
constexpr size_t kInput = 3 * 224 * 224 * sizeof(float);
constexpr size_t kOutput = 1000 * sizeof(float);
constexpr long long kComputeNs = 200000;  // about what MobileNetV2 takes at batch 1 in FP16

#define CHECK(call)                                                   \
  do {                                                                \
    cudaError_t error_ = (call);                                      \
    if (error_ != cudaSuccess) {                                      \
      std::printf("%s: %s\n", #call, cudaGetErrorString(error_));     \
      std::exit(1);                                                   \
    }                                                                 \
  } while (0)

__device__ long long now() {
  long long ns;
  asm volatile("mov.u64 %0, %globaltimer;" : "=l"(ns));
  return ns;
}

__global__ void spin(long long ns) {
  const long long begin = now();
  while (now() - begin < ns) {
  }
}

using Events = std::vector<cudaEvent_t>;

struct Request {
  cudaStream_t stream;
  cudaGraphExec_t graph;
  void *host_in, *host_out, *device_in, *device_out;

  // Around each part an event of `events`, kEvents from `first` on; none where it is empty.
  void run(const Events& events, int first) const {
    const auto mark = [&](int which) {
      if (!events.empty()) CHECK(cudaEventRecord(events[first + which], stream));
    };
    mark(0);
    CHECK(cudaMemcpyAsync(device_in, host_in, kInput, cudaMemcpyHostToDevice, stream));
    mark(1);
    CHECK(cudaGraphLaunch(graph, stream));
    mark(2);
    CHECK(cudaMemcpyAsync(host_out, device_out, kOutput, cudaMemcpyDeviceToHost, stream));
    mark(3);
    CHECK(cudaStreamSynchronize(stream));
  }
};

// The mean of the middle half, as a DeviceRecord has it.
double middle(std::vector<double> us) {
  std::sort(us.begin(), us.end());
  const size_t rest = us.size() / 4;
  double sum = 0;
  for (size_t i = rest; i < us.size() - rest; i++) sum += us[i];
  return sum / (us.size() - 2 * rest);
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

double block(const Request& request, const Events& events) {
  using Clock = std::chrono::steady_clock;
  std::vector<double> us;
  for (int i = 0; i < kRequests; i++) {
    const auto began = Clock::now();
    request.run(events, i * kEvents);
    us.push_back(std::chrono::duration<double, std::micro>(Clock::now() - began).count());
  }
  return middle(us);
}

Events made(unsigned flags) {
  Events events(kRequests * kEvents);
  for (auto& event : events) CHECK(cudaEventCreateWithFlags(&event, flags));
  return events;
}

int main() {
  Request request{};
  CHECK(cudaStreamCreateWithFlags(&request.stream, cudaStreamNonBlocking));
  CHECK(cudaMallocHost(&request.host_in, kInput));
  CHECK(cudaMallocHost(&request.host_out, kOutput));
  CHECK(cudaMalloc(&request.device_in, kInput));
  CHECK(cudaMalloc(&request.device_out, kOutput));
  const Events none, timed = made(cudaEventDefault), untimed = made(cudaEventDisableTiming);
  for (const int kernels : {1, 50, 100}) {
    cudaGraph_t graph;
    CHECK(cudaStreamBeginCapture(request.stream, cudaStreamCaptureModeThreadLocal));
    for (int i = 0; i < kernels; i++) spin<<<16, 128, 0, request.stream>>>(kComputeNs / kernels);
    CHECK(cudaStreamEndCapture(request.stream, &graph));
    CHECK(cudaGraphInstantiate(&request.graph, graph, 0));
    for (int i = 0; i < kWarmUps; i++) block(request, none);
    std::vector<double> without, with_time, without_time;
    for (int pair = 0; pair < kPairs; pair++) {
      without.push_back(block(request, none));
      with_time.push_back(block(request, timed) - without.back());
      without_time.push_back(block(request, untimed) - without.back());
    }
    std::printf("%d kernels: %.1f %.1f %.1f\n", kernels, median(without), median(with_time),
                median(without_time));
    CHECK(cudaGraphExecDestroy(request.graph));
    CHECK(cudaGraphDestroy(graph));
  }
}
