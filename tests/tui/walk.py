"""The walk of `test_tmux_walk`: every action and key, in an order in which each does something.

A line is an action, a key of it and what is then shown: words, `-words` for words that go, `~` for
any change of the screen, `=` for none; `wide | small` where the two screens differ. `type` types
what follows, `wait` waits for it, `grow` has the logs say more.
"""

from __future__ import annotations

EVERYWHERE = """
wait . to run
wait . -checking
app.repaint ctrl+l =
app.help question_mark Every key, by panel
list.down down ~
list.up up ~
list.down j ~
list.up k ~
list.page_down pagedown ~
list.page_up pageup ~
list.half_down ctrl+d ~
list.half_up ctrl+u ~
list.last end ~
list.first home ~
list.last G ~
list.first less_than_sign ~
list.last greater_than_sign ~
page.first g ~
page.search slash search;
type palette ~
page.back escape ~
page.back escape -Every key, by panel
app.help f1 Every key, by panel
page.back escape -Every key, by panel
"""
BENCH = """
bench.next tab ~
bench.previous shift+tab ~
bench.panel1 1 ~
wait . parameters 408,938
bench.panel3 3 ~
bench.panel4 4 ~
bench.panel5 5 ~
bench.panel6 6 ~
bench.panel7 7 ~
bench.panel2 2 ~
bench.zoom z ~ | =
bench.zoom z ~ | =
bench.all a 4 to run
bench.all a nothing selected
list.down j ~
list.down j ~
list.down j ~
list.down j ~
engines.select space 2 to run
bench.precision p fp32
checklist.tick space ~
checklist.tick space ~
dialog.cancel escape -esc cancel
bench.batch n esc cancel
list.down j ~
list.down j ~
checklist.tick space ~
dialog.accept enter -esc cancel
engines.options enter Options of
form.next right ~
form.previous left ~
form.next space ~
form.previous h ~
list.down j ~
form.erase backspace ~
form.next right ~
form.clear ctrl+u ~
form.next right ~
form.clear delete ~
dialog.cancel escape -Options of
bench.measure i How to measure
dialog.cancel escape -How to measure
bench.build b has nothing to build
"""
MODEL = """
bench.model m block or layer
model.fold space ~
model.fold space ~
model.unfold right ~
model.close left ~
model.unfold l ~
model.close h ~
model.all a ~
model.graph g Draw the model's graph
dialog.cancel escape -Draw the model's graph
page.back escape -block or layer
bench.graph g Draw the model's graph
dialog.cancel escape -Draw the model's graph
"""
RUN = """
bench.run r measuring
app.quit q Leave?
dialog.cancel escape -Leave?
bench.stop x stopped in
app.quit ctrl+q Leave?
leave.save s Save this run
dialog.cancel escape -Save this run
bench.save s Save this run
dialog.accept enter Saved
bench.log l .log
grow . warning of line 7
page.search slash search;
type warn ~
dialog.accept enter ~
page.first g ~
page.next_match n ~
page.back escape ~
page.back escape -.log
"""
HISTORY = """
bench.open o thursday
list.down j ~
profiles.mark space ~
list.down j ~
profiles.mark space ~
profiles.baseline b ~
profiles.compare c Comparison
compare.details enter ~
compare.details d ~
page.back escape Saved profiles
profiles.next_order right ~
profiles.previous_order left ~
profiles.reverse v ~
profiles.reverse v ~
profiles.rename r Rename
dialog.cancel escape -Rename
profiles.delete d Delete this profile?
confirm.no n -Delete this profile?
profiles.delete d Delete this profile?
confirm.yes y 4 profiles
profiles.undo u 5 profiles
profiles.delete delete Delete this profile?
dialog.accept enter 4 profiles
profiles.empty E Empty
confirm.yes y -Empty
profiles.again a again?
again.select s -again?
"""
AGAIN = """
bench.open o monday
list.last end ~
profiles.again a again?
again.run enter x stop
bench.stop x stopped in
bench.open o monday
list.last end ~
profiles.again a again?
again.run r x stop
app.interrupt ctrl+c stopped in
bench.open o monday
list.last end ~
profiles.again a again?
again.run y x stop
bench.stop x stopped in
"""
PANELS = """
bench.panel4 4 ~
latency.closer plus 60
latency.closer equals_sign 10
latency.closer right ~
latency.wider minus ~
latency.wider left ~
latency.axis L ~
bench.panel5 5 ~
histogram.view v ~
histogram.view right ~
histogram.previous V ~
histogram.previous left ~
histogram.axis L ~
bench.panel6 6 ~
results.plot space ~
results.plot space ~
results.details enter Latency of one request, ms
message.close escape -Latency of one request, ms
results.details enter Latency of one request, ms
message.close enter -Latency of one request, ms
results.details enter Latency of one request, ms
message.close q -Latency of one request, ms
"""
FRONTIER = """
bench.open o wednesday
list.down j ~
list.down j ~
profiles.open enter -Saved profiles
bench.frontier f Frontier
frontier.limit l a latency such as
type 5ms ~
dialog.accept enter ~
frontier.lower left ~
frontier.lower minus ~
frontier.higher right ~
frontier.lower h ~
frontier.higher plus ~
frontier.clear backspace ~
page.back escape -Frontier
bench.compare c Compare which
chooser.take enter runs of different things
message.close escape -runs of different things
page.back escape -Compare which
"""
LAYERS = """
bench.layers t Layers of which
dialog.accept enter Layers of onnxruntime
wait . layers,
layers.about enter ~
message.close escape ~
layers.next_order right ~
layers.previous_order left ~
layers.reverse space ~
layers.kinds g kinds,
layers.kinds g layers,
layers.save s Save
dialog.cancel escape -Save
layers.log l .log
page.back escape -.log
layers.again r timing
layers.stop x -timing
page.back escape -Layers of
"""
# Toasts last some seconds and would hide what dialogs say.
END = """
bench.panel6 6 ~
results.copy y Copied
results.copy_all Y results
app.help question_mark Every key, by panel
page.copy y Copied
page.copy_all Y all of it
page.back escape -Every key, by panel
app.palette ctrl+p Search
type article Measure as the article does
dialog.accept enter -Measure as the article
app.quit q ~
"""
STEPS = EVERYWHERE + BENCH + MODEL + RUN + PANELS + FRONTIER + LAYERS + HISTORY + AGAIN + END
