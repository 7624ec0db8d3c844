#!/usr/bin/python3
"""PyTorch's side of tools/compare_with_pytorch: one job on one network, in the rows of `espalier benchmark`.

  pytorch_peer.py --job train|infer|pergrad|memory --model cifarnet|resnet20|mlpnet_mnist|mlpnet_cifar|NAME
                  [--threads 1] [--batches 64,128,256] [--label NAME] [--seconds 0.3] [--repetitions 5]

NAME is a network of torchvision, on images of 224 x 224; --job export --output FILE writes it as ONNX.
Every variant that could be the fastest is a row: layouts, eager and frozen TorchScript, three ways to per-example
gradients. The caller sets the environment (threads, allocator, instruction set) and names it with --label.
"""
import argparse
import os
import statistics
import time
import warnings

import torch
from torch import nn
import torch.nn.functional as F

EXAMPLES = 1000  # of the pergrad job


# ---- the networks of models/*.cpp
def cifarnet():
    return nn.Sequential(
        nn.Conv2d(3, 32, 5, padding=2), nn.MaxPool2d(3, 2), nn.ReLU(),
        nn.Conv2d(32, 32, 5, padding=2), nn.ReLU(), nn.AvgPool2d(3, 2),
        nn.Conv2d(32, 64, 5, padding=2), nn.ReLU(), nn.AvgPool2d(3, 2), nn.Flatten(),
        nn.Linear(576, 64), nn.ReLU(), nn.Linear(64, 10))


def normed(channels_in, channels, kernel, stride):
    return [nn.Conv2d(channels_in, channels, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(channels)]


class Residual(nn.Module):
    def __init__(self, channels_in, channels, stride):
        super().__init__()
        self.body = nn.Sequential(*normed(channels_in, channels, 3, stride), nn.ReLU(inplace=True),
                                  *normed(channels, channels, 3, 1))
        same = stride == 1 and channels_in == channels
        self.shortcut = nn.Identity() if same else nn.Sequential(*normed(channels_in, channels, 1, stride))

    def forward(self, x):
        return F.relu(self.body(x) + self.shortcut(x))


def resnet20():
    layers, width = normed(3, 16, 3, 1) + [nn.ReLU(inplace=True)], 16
    for channels, stride in ((16, 1), (32, 2), (64, 2)):
        for block in range(3):
            layers.append(Residual(width, channels, stride if block == 0 else 1))
            width = channels
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def mlpnet(inputs):
    return nn.Sequential(nn.Flatten(), nn.Linear(inputs, 40, bias=False), nn.ReLU(), nn.Linear(40, 20, bias=False),
                         nn.ReLU(), nn.Linear(20, 10, bias=False))


MODELS = {'cifarnet': (cifarnet, (3, 32, 32)), 'resnet20': (resnet20, (3, 32, 32)),
          'mlpnet_mnist': (lambda: mlpnet(784), (1, 28, 28)), 'mlpnet_cifar': (lambda: mlpnet(3072), (3, 32, 32))}


def find_model(name):
    """(constructor, shape of an image)"""
    if name in MODELS:
        return MODELS[name]
    import torchvision
    if name not in torchvision.models.list_models():
        raise SystemExit(f'error: no network {name}: it is none of {sorted(MODELS)} and not in torchvision.models')
    return lambda: getattr(torchvision.models, name)(weights=None), (3, 224, 224)


# ---- the clock: as tools/benchmark/benchmark_measure.cpp
def waited():
    total = 0
    for task in os.listdir('/proc/self/task'):
        try:
            with open(f'/proc/self/task/{task}/schedstat') as f:
                total += int(f.read().split()[1])
        except OSError:
            pass
    return 1e-9 * total


def stolen():
    with open('/proc/stat') as f:
        return 0.01 * int(f.readline().split()[8])


def time_calls(f, options):
    f()
    f()
    start = time.perf_counter()
    f()
    calls = max(1, round(options.seconds / max(time.perf_counter() - start, 1e-7)))
    clean, everything, cpu = [], [], []
    while len(clean) < options.repetitions and len(everything) < 3 * options.repetitions:
        delay, steal, cpu_start, start = waited(), stolen(), time.process_time(), time.perf_counter()
        for _ in range(calls):
            f()
        took = time.perf_counter() - start
        cpu.append((time.process_time() - cpu_start) / calls)
        everything.append(took / calls)
        taken = stolen() - steal
        if (waited() - delay) / options.threads + (taken if taken > 0.015 else 0) < 0.02 * took:
            clean.append(took / calls)
    if len(clean) >= min(5, options.repetitions):
        return clean, ''
    return (cpu, 'NOISY: CPU seconds') if options.threads == 1 else (everything, 'NOISY')


def print_row(options, variant, batch, unit, values, note=''):
    v = sorted(values)
    print('\t'.join([options.job, options.model, f'pytorch,{options.label},{variant}', str(options.threads), str(batch),
                     unit, f'{statistics.median(v):.5g}', f'{v[0]:.5g}', f'{v[-1]:.5g}', str(len(v)), note]), flush=True)


# ---- training and inference
def batches_of(options, batch, layout, count=4):
    shape = find_model(options.model)[1]
    images = [torch.randn((batch,) + shape).contiguous(memory_format=layout) for _ in range(count)]
    return images, [torch.randint(0, 10, (batch,)) for _ in range(count)]


def layouts(options):
    yield 'nchw', torch.contiguous_format
    if not options.model.startswith('mlpnet'):
        yield 'channels_last', torch.channels_last


def in_turn(f, images, labels):
    state = {'i': 0}

    def call():
        i = state['i'] = (state['i'] + 1) % len(images)
        f(images[i], labels[i])
    return call


def train(options):
    for batch in options.batches:
        for name, layout in layouts(options):
            net = find_model(options.model)[0]().train().to(memory_format=layout)
            for foreach in (False, True):
                sgd = torch.optim.SGD(net.parameters(), lr=1e-3, momentum=0.9, weight_decay=1e-4, foreach=foreach)

                def step(x, y):
                    sgd.zero_grad(set_to_none=True)
                    F.cross_entropy(net(x), y).backward()
                    sgd.step()

                seconds, note = time_calls(in_turn(step, *batches_of(options, batch, layout)), options)
                print_row(options, f"{name}{',foreach' if foreach else ''}", batch, 'images/s',
                          [batch / s for s in seconds], note)


def infer(options):
    for batch in options.batches:
        for name, layout in layouts(options):
            net = find_model(options.model)[0]().eval().to(memory_format=layout)
            images, labels = batches_of(options, batch, layout)
            variants = [('eager', net)]
            try:
                with torch.no_grad():
                    frozen = torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(net, images[0])))
                    frozen(images[0])
                variants.append(('frozen', frozen))
            except RuntimeError as error:  # builds without oneDNN
                print(f'# no frozen TorchScript: {str(error).splitlines()[0][:100]}')
            for variant, f in variants:
                with torch.inference_mode():
                    seconds, note = time_calls(in_turn(lambda x, _: f(x), images, labels), options)
                print_row(options, f'{variant},{name}', batch, 'images/s', [batch / s for s in seconds], note)


# ---- per-example gradients of all convolution and linear weights as the rows of one matrix
def layers_of(net):
    return [m for m in net.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]


def loop_rows(net, x, y, rows):
    """One backward pass an example."""
    weights = [m.weight for m in layers_of(net)]
    for i in range(len(x)):
        parts = torch.autograd.grad(F.cross_entropy(net(x[i:i + 1]), y[i:i + 1]), weights)
        torch.cat([g.flatten() for g in parts], out=rows[i])


def hooked_rows(net, x, y, rows, chunk):
    """One backward pass a chunk; every layer's rows from its input and the gradient of its output."""
    layers, inputs, gradients = layers_of(net), {}, {}

    def keep(module, arguments, output):
        inputs[module] = arguments[0].detach()
        if not output.requires_grad:
            output.requires_grad_()
        output.register_hook(lambda g: gradients.__setitem__(module, g))

    handles = [m.register_forward_hook(keep) for m in layers]
    for p in net.parameters():
        p.requires_grad_(False)
    try:
        for first in range(0, len(x), chunk):
            part = slice(first, min(first + chunk, len(x)))
            F.cross_entropy(net(x[part]), y[part], reduction='sum').backward()
            column = 0
            for m in layers:
                a, g = inputs[m], gradients[m]
                if isinstance(m, nn.Conv2d):
                    windows = F.unfold(a, m.kernel_size, padding=m.padding, stride=m.stride)
                    w = torch.bmm(g.reshape(len(g), m.out_channels, -1), windows.transpose(1, 2))
                else:
                    w = torch.bmm(g[:, :, None], a[:, None, :])
                rows[part, column:column + m.weight.numel()] = w.flatten(1)
                column += m.weight.numel()
    finally:
        for h in handles:
            h.remove()
        for p in net.parameters():
            p.requires_grad_(True)


def vmapped_rows(net, x, y, rows, chunk):
    """functorch: the gradient function, vectorised over examples."""
    import functorch
    f, parameters, buffers = functorch.make_functional_with_buffers(net)
    wanted = {id(m.weight) for m in layers_of(net)}
    is_wanted = [id(p) in wanted for p in net.parameters()]
    fixed = [None if w else p.detach() for p, w in zip(parameters, is_wanted)]

    def loss(weights, image, label):
        given = iter(weights)
        return F.cross_entropy(f([next(given) if p is None else p for p in fixed], buffers, image[None]), label[None])

    weights = tuple(p.detach() for p, w in zip(parameters, is_wanted) if w)
    gradients = functorch.vmap(functorch.grad(loss), (None, 0, 0))
    for first in range(0, len(x), chunk):
        part = slice(first, min(first + chunk, len(x)))
        torch.cat([g.flatten(1) for g in gradients(weights, x[part], y[part])], 1, out=rows[part])


def pergrad(options):
    make, shape = find_model(options.model)
    net = make().eval()
    x, y = torch.randn((EXAMPLES,) + shape), torch.randint(0, 10, (EXAMPLES,))
    width = sum(m.weight.numel() for m in layers_of(net))
    truth = torch.zeros(8, width)
    loop_rows(net, x[:8], y[:8], truth)
    ways = [('loop', loop_rows, ())]
    ways += [(f'hooks,chunk={c}', hooked_rows, (c,)) for c in (50, 200)]
    try:
        import functorch  # noqa: F401
        ways += [(f'vmap,chunk={c}', vmapped_rows, (c,)) for c in (50, 200)]
    except ImportError:
        pass
    for name, way, extra in ways:
        check = torch.zeros(8, width)
        way(net, x[:8], y[:8], check, *extra)
        difference = ((check - truth).norm() / truth.norm()).item()
        if not difference < 1e-4:
            print(f'# {name} is wrong by {difference:.1e} and left out')
            continue
        # G does not fit into caches: all rows for small networks; for large ones fewer cost as much a row.
        count = EXAMPLES if width < 50000 else 200
        if way is loop_rows:
            count //= 5
        rows = torch.zeros(count, width)
        seconds, note = time_calls(lambda: way(net, x[:count], y[:count], rows, *extra), options)
        print_row(options, name, 1, 's/1000', [s * 1000 / count for s in seconds], note)


def memory(options):
    """Peak resident memory of a process that trains: three steps, the batch among it."""
    import resource
    for batch in options.batches:
        images, labels = batches_of(options, batch, torch.channels_last, 1)
        net = find_model(options.model)[0]().train().to(memory_format=torch.channels_last)
        sgd = torch.optim.SGD(net.parameters(), lr=1e-3, momentum=0.9, weight_decay=1e-4)
        for _ in range(3):
            sgd.zero_grad(set_to_none=True)
            F.cross_entropy(net(images[0]), labels[0]).backward()
            sgd.step()
        mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print_row(options, 'channels_last', batch, 'MiB', [mib])


def export(options):
    """Batch norm stays: PyTorch would fold it into the convolutions."""
    make, shape = find_model(options.model)
    with torch.no_grad():
        torch.onnx.export(make().eval(), torch.randn((1,) + shape), options.output, opset_version=13,
                          training=torch.onnx.TrainingMode.PRESERVE, input_names=['image'], output_names=['logits'],
                          dynamic_axes={'image': {0: 'n'}, 'logits': {0: 'n'}})


def main():
    p = argparse.ArgumentParser()
    p.add_argument('--job', required=True, choices=['train', 'infer', 'pergrad', 'memory', 'export'])
    p.add_argument('--model', required=True)
    p.add_argument('--output', help='of the export job')
    p.add_argument('--threads', type=int, default=1)
    p.add_argument('--batches', default='64,128,256')
    p.add_argument('--label', default='default')
    p.add_argument('--seconds', type=float, default=0.3)
    p.add_argument('--repetitions', type=int, default=5)
    options = p.parse_args()
    options.batches = [int(b) for b in options.batches.split(',')]
    warnings.filterwarnings('ignore')
    try:
        os.setpriority(os.PRIO_PROCESS, 0, -19)
        with open('/proc/self/autogroup', 'w') as f:
            f.write('-19')
    except OSError:
        pass
    torch.manual_seed(1)
    torch.set_num_threads(options.threads)
    torch.set_flush_denormal(True)
    {'train': train, 'infer': infer, 'pergrad': pergrad, 'memory': memory, 'export': export}[options.job](options)


if __name__ == '__main__':
    main()
