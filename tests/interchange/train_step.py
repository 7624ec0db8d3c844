"""One step of training of a torchvision network in PyTorch: loss and gradients, beside the network as ONNX.

train_step.py FOLDER NAME writes NAME.onnx, NAME.f32 (images, NCHW), NAME.labels (text), NAME.loss (text), and for each
parameter NAME.PARAMETER.f32: its gradient. Batch norm uses the statistics of the batch; dropout is off. ReLU is tanh here:
among a million activations one lies within rounding of ReLU's kink, and on which side it falls moves the gradients of all
layers before it by a per cent. The gradient of ReLU itself is checked in tests/ops.
"""
import sys
import warnings

import torch
import torchvision
from export_networks import randomise

warnings.filterwarnings("ignore")
folder, name = sys.argv[1:3]
torch.manual_seed(2)
net = getattr(torchvision.models, name)(weights=None, num_classes=10)
randomise(net)
for module in list(net.modules()):
    if isinstance(module, torch.nn.Dropout):
        module.p = 0.0
    for child, old in list(module.named_children()):
        if isinstance(old, (torch.nn.ReLU, torch.nn.ReLU6)):
            setattr(module, child, torch.nn.Tanh())
x = torch.randn(8, 3, 64, 64)
labels = torch.arange(8) % 10
net.eval()
torch.onnx.export(net, x, f"{folder}/{name}.onnx", opset_version=13, training=torch.onnx.TrainingMode.PRESERVE,
                  input_names=["image"], output_names=["logits"], dynamic_axes={"image": {0: "n"}})
net.train()
loss = torch.nn.functional.cross_entropy(net(x), labels)
loss.backward()
x.numpy().tofile(f"{folder}/{name}.f32")
open(f"{folder}/{name}.loss", "w").write(repr(loss.item()))
for parameter, value in net.named_parameters():
    value.grad.numpy().tofile(f"{folder}/{name}.{parameter}.f32")
