# SPDX-License-Identifier: MIT
"""Tests of the reference by itself: parameter counts, finite differences, pruning rules."""
import math

import torch

import compare
import reference as R


def count(space, shape, ways):
    point = R.Tensors(generator=torch.Generator().manual_seed(1))
    R.Network({'search_space': space}, ways)(point, torch.rand(2, *shape, dtype=torch.float64))
    return sum(t.numel() for n, t in point.items() if not R.is_alpha(n))


def parameter_counts():
    assert count({'use': 'conv4', 'channels': 32}, (1, 28, 28), 20) == 28980
    assert count({'use': 'conv4', 'channels': 64}, (1, 28, 28), 20) == 113236
    c, stem = 28, 3 * 28
    # Candidates on an edge, by hand: dense pair, conv_3x3, twice separable, dilated.
    edge = 10 * c * c + (9 * c + c * c) + 2 * (9 * c + c * c) + (9 * c + c * c)
    preprocessing = 2 * stem * c + (stem + 3 * c) * c + 2 * 3 * c * c + 2 * 3 * c * c
    skips = 2 * 6 * c * c
    by_hand = 9 * stem + 2 * stem + 4 * 9 * edge + preprocessing + skips + (3 * c + 1) * 20
    assert count({'use': 'darts'}, (1, 28, 28), 20) == by_hand, by_hand


def pruning_rules():
    mixer = R.Mixer({'use': 'soft_prune', 'threshold': 0.3, 't_max': 1.0, 't_min': 0.5}, 'train')
    a = torch.tensor([1.0, 0.0, -1.0], dtype=torch.float64)
    full = torch.softmax(a, 0)
    assert mixer.weights(a, 0.0).tolist() == [full[0].item(), 0, 0]
    assert torch.allclose(mixer.weights(a, 1.0)[0], torch.softmax(2 * a, 0)[0])
    equal = torch.zeros(4, dtype=torch.float64)
    assert mixer.weights(equal, 0.0).tolist() == [0.25, 0, 0, 0]
    assert mixer.combinations(4) == [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]
    assert mixer.combinations(2) == [(0, 1)]


def pool_ties():
    x = torch.zeros(1, 1, 4, 4, dtype=torch.float64, requires_grad=True)
    R.max_pool(x, 2).sum().backward()
    wanted = torch.zeros(4, 4)
    wanted[0, 0] = wanted[0, 1] = wanted[1, 0] = wanted[1, 1] = 1
    assert torch.equal(x.grad[0, 0], wanted.double())
    y = torch.rand(2, 3, 7, 6, dtype=torch.float64)
    for stride in (1, 2):
        assert torch.equal(R.max_pool(y, stride), torch.max_pool2d(y, 3, stride, 1))


def finite_differences(case):
    """Directional derivative along a random direction, for weights and logits apart. One of three
    widths must agree: a wide one may cross a kink, a narrow one has rounding errors."""
    network, point, data = case.inputs(torch.float64)
    gradients = R.loss_and_gradients(network, point, data['images'], data['labels'],
                                     case.progress)[1]
    generator = torch.Generator().manual_seed(7)

    def loss_at(h, direction):
        moved = R.Tensors({n: t + h * direction.get(n, 0) for n, t in point.items()})
        logits = network(moved, data['images'], case.progress)[0]
        return torch.nn.functional.cross_entropy(logits, data['labels']).item()

    for alphas in (False, True):
        direction = {n: torch.randn(*t.shape, dtype=torch.float64, generator=generator)
                     for n, t in point.items() if R.is_alpha(n) == alphas}
        slope = sum((gradients[n] * d).sum().item() for n, d in direction.items())
        found = [(loss_at(h, direction) - loss_at(-h, direction)) / (2 * h)
                 for h in (1e-7, 1e-8, 1e-9)]
        assert any(math.isclose(slope, f, rel_tol=1e-5, abs_tol=1e-6) for f in found), \
            (case.name, slope, found)


def main():
    torch.set_num_threads(1)
    parameter_counts()
    pruning_rules()
    pool_ties()
    n = 0
    for cases in (compare.candidate_cases, compare.network_cases, compare.mixer_cases,
                  compare.fixed_cases):
        for case in cases():
            network, point, data = case.inputs(torch.float64)
            logits, _ = network(point, data['images'], case.progress)
            assert logits.shape == (case.n, case.ways), case.name
            if not case.zeroed and max(case.shape) < 20:
                finite_differences(case)
                n += 1
    print(f'parameter counts, pruning rules, pool ties, finite differences of {n} cases: fine')


if __name__ == '__main__':
    main()
