# SPDX-License-Identifier: MIT
"""Time PyTorch on the networks of the paper: milliseconds of one pass, single precision."""
import statistics
import time

import torch
import torch.nn.functional as F

import reference as R

SOFT = {'op_mixer': {'use': 'soft_prune'}, 'input_mixer': {'use': 'soft_prune', 'k': 2}}
CASES = [('darts C = 28', {'use': 'darts', 'channels': 28}, True),
         ('darts C = 28', {'use': 'darts', 'channels': 28}, False),
         ('darts C = 14', {'use': 'darts', 'channels': 14}, True),
         ('conv4 32 channels', {'use': 'conv4', 'channels': 32}, True)]


class FastNetwork(R.Network):
    """The reference with PyTorch's own batch norm and max pool, as its users have it."""

    def norm(self, x, name, affine):
        pair = (self.t.take(name + '.weight', x.shape[1]),
                self.t.take(name + '.bias', x.shape[1])) if affine else (None, None)
        return F.batch_norm(x, None, None, *pair, training=True, eps=R.EPS)

    def candidate(self, x, name, op, stride):
        if op != 'max_pool_3x3':
            return super().candidate(x, name, op, stride)
        return self.norm(F.max_pool2d(x, 3, stride, 1), name + '.bn', self.affine)


def one_pass(network, point, images, labels, backward):
    if not backward:
        with torch.no_grad():
            network(point, images, 0.0)
        return
    loss = F.cross_entropy(network(point, images, 0.0)[0], labels)
    torch.autograd.grad(loss, list(point.values()))


def timed(space, backward, n=20, ways=20, repeats=5):
    """Median and least milliseconds of the clock, median of the processor time of all threads."""
    generator = torch.Generator().manual_seed(1)
    network = FastNetwork({'search_space': space, **SOFT}, ways)
    point = R.Tensors(generator=generator)
    network(point, torch.rand(2, 1, 28, 28, dtype=torch.float64))
    # All candidates are computed: the logits are zero, so no weight is under the threshold.
    point = R.Tensors({name: (t * (not R.is_alpha(name))).float().requires_grad_()
                       for name, t in point.items()})
    images, labels = torch.rand(n, 1, 28, 28), torch.randint(ways, (n,))
    one_pass(network, point, images, labels, backward)
    times, used = [], []
    for _ in range(repeats):
        start, cpu = time.perf_counter(), time.process_time()
        one_pass(network, point, images, labels, backward)
        times.append(1000 * (time.perf_counter() - start))
        used.append(1000 * (time.process_time() - cpu))
    return statistics.median(times), min(times), statistics.median(used)


def main():
    torch.set_default_dtype(torch.float32)
    print(f'torch {torch.__version__}, batch 20 of 28x28x1')
    for threads in (2, 1):
        torch.set_num_threads(threads)
        for name, space, backward in CASES:
            what = 'forward and backward' if backward else 'forward only'
            median, least, used = timed(space, backward)
            print(f'{name:18} {what:21} {threads} threads  median {median:8.1f} ms  '
                  f'least {least:8.1f}  processor {used:8.1f}', flush=True)


if __name__ == '__main__':
    main()
