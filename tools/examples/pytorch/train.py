"""Trains a network of torchvision on CIFAR-10 in PyTorch and exports it: where "Prune your own PyTorch model" begins.

train.py DATA OUT [--net resnet18] [--epochs 4] [--images 50000] [--threads 1]
reads DATA/cifar-10-batches-bin (tools/fetch_cifar10) and writes OUT/NET.onnx, batch norm kept, and OUT/NET.pth.
Debian: python3-torchvision. The last line is the accuracy on the test images, or on --test of them.
"""
import argparse
import time

import numpy as np
import torch
import torchvision

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)


def read(paths, count):
    rows = np.concatenate([np.fromfile(p, dtype=np.uint8).reshape(-1, 3073) for p in paths])[:count]
    pixels = torch.from_numpy(rows[:, 1:].reshape(-1, 3, 32, 32)).float() / 255
    pixels = (pixels - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)
    return pixels, torch.from_numpy(rows[:, 0]).long()


def augment(x):
    """A crop of the image with a border of 4 pixels, the same for all of a batch, and a flip of half of them."""
    top, left = np.random.randint(0, 9, 2)
    x = torch.nn.functional.pad(x, (4, 4, 4, 4))[:, :, top:top + 32, left:left + 32]
    return torch.where(torch.rand(len(x), 1, 1, 1) < 0.5, x.flip(3), x)


def accuracy(net, x, y):
    net.eval()
    with torch.no_grad():
        return sum((net(x[i:i + 500]).argmax(1) == y[i:i + 500]).sum().item() for i in range(0, len(x), 500)) / len(x)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("data")
    p.add_argument("out")
    p.add_argument("--net", default="resnet18")
    p.add_argument("--epochs", type=int, default=4)
    p.add_argument("--images", type=int, default=50000)
    p.add_argument("--test", type=int, default=10000)
    p.add_argument("--threads", type=int, default=1)
    a = p.parse_args()
    torch.manual_seed(1)
    np.random.seed(1)
    torch.set_num_threads(a.threads)
    folder = a.data + "/cifar-10-batches-bin/"
    x, y = read([folder + f"data_batch_{i}.bin" for i in range(1, 6)], a.images)
    test_x, test_y = read([folder + "test_batch.bin"], a.test)
    net = getattr(torchvision.models, a.net)(weights=None, num_classes=10)
    batch = 128
    steps = len(x) // batch * a.epochs
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4, nesterov=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(  # up over a fifth of the steps, then down to 0
        optimizer, lambda t: min((t + 1) / (0.2 * steps + 1), 1.25 * (1 - t / (steps + 1))))
    for epoch in range(a.epochs):
        net.train()
        begun, total, order = time.time(), 0.0, torch.randperm(len(x))
        for i in range(0, len(x) - batch + 1, batch):
            chosen = order[i:i + batch]
            loss = torch.nn.functional.cross_entropy(net(augment(x[chosen])), y[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item()
        print(f"epoch {epoch + 1}: loss {total / max(len(x) // batch, 1):.4f}, {time.time() - begun:.0f} s", flush=True)
    print(f"test accuracy {100 * accuracy(net, test_x, test_y):.2f} %")
    net.eval()
    torch.save(net.state_dict(), f"{a.out}/{a.net}.pth")
    torch.onnx.export(net, test_x[:1], f"{a.out}/{a.net}.onnx", opset_version=13,
                      training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False,  # batch norm stays
                      input_names=["image"], output_names=["logits"], dynamic_axes={"image": {0: "n"}, "logits": {0: "n"}})


if __name__ == "__main__":
    main()
