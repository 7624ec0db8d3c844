"""Writes the small files of tests/interchange/files with PyTorch and NumPy (Debian: python3-torch, python3-numpy).

Every tensor holds start, start + 1/8, start + 2/8, ...: the tests know what to expect. Run it in that folder.
"""
import collections
import numpy as np
import torch
from torch import nn
from torch.nn.utils import prune


def values(start, *shape, dtype=torch.float32):
    count = int(np.prod(shape))
    return (torch.arange(count, dtype=torch.float64) / 8 + start).reshape(shape).to(dtype)


state = collections.OrderedDict()
state["conv1.weight"] = values(1, 2, 3, 2, 2)
state["conv1.bias"] = values(2, 2)
state["bn1.running_var"] = values(3, 2, dtype=torch.float64)
state["bn1.num_batches_tracked"] = torch.tensor(7)
state["fc.weight"] = values(4, 6, 2).t()  # a view with strides
state["fc.bias"] = values(5, 6)[2:4]  # a view with an offset
state["half"] = values(6, 3, dtype=torch.float16)
state["brain"] = values(7, 3, dtype=torch.bfloat16)
state["mask"] = torch.tensor([True, False])
state["empty"] = torch.zeros(0, 3)

torch.save(state, "state.pt")
torch.save(state, "state_legacy.pt", _use_new_zipfile_serialization=False)
wrapped = {"epoch": 3, "best": 0.5, "state_dict": {"module." + k: v for k, v in state.items()},
           "optimizer": {"state": {0: {"momentum_buffer": values(9, 4)}}, "param_groups": [{"lr": 0.1, "params": [0]}]}}
torch.save(wrapped, "checkpoint_legacy.pt", _use_new_zipfile_serialization=False)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2), nn.ReLU())
        self.fc = nn.Linear(2, 3)


net = Net()
with torch.no_grad():
    net.features[0].weight.copy_(values(1, 2, 1, 1, 1))
    net.fc.weight.copy_(values(2, 3, 2))
torch.save(net, "module.pt")

prune.custom_from_mask(net.fc, "weight", torch.tensor([[1, 0], [0, 1], [1, 1]]))
torch.save(net.state_dict(), "pruned.pt")

arrays = {"a": np.arange(6, dtype="<f4").reshape(2, 3), "b": np.asfortranarray(np.arange(24, dtype="<f8").reshape(2, 3, 4)),
          "c": np.array([1.5, -2], dtype="<f2"), "d": np.array([-3, 4], dtype="<i8"), "e": np.array([True, False]),
          "s": np.float32(2.5)}
np.savez("stored.npz", **arrays)
np.savez_compressed("deflated.npz", **arrays)
np.save("fortran.npy", arrays["b"])
