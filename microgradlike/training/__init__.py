"""Training: `microgradlike.fit`, and what it is made of. Read the files in this order:

- `loop`: `fit` and its epochs: batches, stopping rules, callbacks, checkpoints.
- `task`: what is to be learned: classes or numbers, the threshold of one output, which losses there are. To
  add a loss to the command line, add a row to `LOSSES`.
- `state`: everything that an epoch changes, as snapshots that are whole.
- `objective`: the loss of an example as it is minimised, in standard units where the model has units.
- `gradients`: mean losses and gradients, Value by Value or by compiled code.
- `agreement`: whether compiled code still gives what the user's own code gives.
- `checkpoints`: the file that a training goes on from.
"""
