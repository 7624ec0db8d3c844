"""Writes networks of torchvision (Debian: python3-torchvision) as ONNX files with random weights and images.

export_networks.py FOLDER NAME[:OPSET[:keep]] ... writes FOLDER/NAME.onnx, FOLDER/NAME.f32 (2 images, NCHW) and their
shape in FOLDER/NAME.shape. PyTorch folds batch norm into convolutions unless it is told to keep it.
Statistics of batch norm are random too, so that a mistake in folding or in their order shows.
"""
import sys
import warnings

import numpy as np
import torch
import torchvision

warnings.filterwarnings("ignore")


def randomise(net):
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.8, 1.2)
            module.weight.data.uniform_(0.8, 1.2)
            module.bias.data.normal_(0, 0.1)


def export(folder, name, opset, keep):
    torch.manual_seed(1)
    options = {"aux_logits": False, "init_weights": False} if name == "googlenet" else {}
    with torch.no_grad():
        net = getattr(torchvision.models, name)(weights=None, **options)
        randomise(net)
        net.eval()
        mode = torch.onnx.TrainingMode.PRESERVE if keep else torch.onnx.TrainingMode.EVAL
        x = torch.randn(2, 3, 224, 224)
        torch.onnx.export(net, x, f"{folder}/{name}.onnx", opset_version=opset, training=mode, input_names=["image"],
                          output_names=["logits"], dynamic_axes={"image": {0: "n"}, "logits": {0: "n"}})
    x.numpy().astype("<f4").tofile(f"{folder}/{name}.f32")
    with open(f"{folder}/{name}.shape", "w") as file:
        file.write("2,3,224,224")


if __name__ == "__main__":
    for argument in sys.argv[2:]:
        network, version, keep = (argument.split(":") + ["13", ""])[:3] if ":" in argument else (argument, "13", "")
        export(sys.argv[1], network, int(version), keep == "keep")
