"""Writes the small files of tests/interchange/files with PyTorch and NumPy (Debian: python3-torch, python3-numpy, python3-onnx).

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
np.savez("floats.npz", **{"fc.weight": arrays["a"], "fc.bias": np.array([1.0, 2.0])})
np.save("fortran.npy", arrays["b"])

# ONNX (Debian: python3-onnx): a tensor of every type, in every place where its values can be.
import onnx
from onnx import TensorProto as T, helper, numpy_helper

tensors = []
for name, dtype in [("f32", "f4"), ("f64", "f8"), ("f16", "f2"), ("i64", "i8"), ("i32", "i4"), ("i16", "i2"), ("i8", "i1"),
                    ("u64", "u8"), ("u32", "u4"), ("u16", "u2"), ("u8", "u1"), ("bool", "?")]:
    array = np.array([[1, 0, 3]], dtype=dtype)
    tensors.append(numpy_helper.from_array(array, "raw_" + name))
    kind = numpy_helper.from_array(array).data_type
    tensors.append(helper.make_tensor("list_" + name, kind, [1, 3], array.flatten().tolist()))
tensors.append(helper.make_tensor("list_bf16", T.BFLOAT16, [1, 3], [1, 0, 3]))
sparse = helper.make_sparse_tensor(helper.make_tensor("sparse", T.FLOAT, [2], [5, 6]),
                                   helper.make_tensor("at", T.INT64, [2], [1, 5]), [2, 3])
outside = numpy_helper.from_array(np.array([7, 8], dtype="f4"), "outside")
onnx.external_data_helper.set_external_data(outside, "tensors.data", offset=4, length=8)
outside.ClearField("raw_data")
open("tensors.data", "wb").write(np.array([0, 7, 8, 9], dtype="f4").tobytes())
node = helper.make_node("Conv", ["x", "w"], ["y"], name="first", kernel_shape=[3, 3], alpha=0.5, mode="same")
graph = helper.make_graph([node], "g", [helper.make_tensor_value_info("x", T.FLOAT, ["batch", 3, 8, 8])],
                          [helper.make_tensor_value_info("y", T.FLOAT, None)], tensors + [outside],
                          sparse_initializer=[sparse])
model = helper.make_model(graph, producer_name="make_files", opset_imports=[helper.make_opsetid("", 13)])
helper.set_model_props(model, {"note": "by hand"})
onnx.save(model, "tensors.onnx")
