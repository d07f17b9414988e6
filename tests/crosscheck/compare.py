# SPDX-License-Identifier: MIT
"""Compare `metanas probe` with the PyTorch reference: compare.py BUILD [-v] [-k WORD] [--seed N].

Every case is a small configuration with random weights, logits and images. Both programs compute
the same outputs; the worst difference of a tensor is taken relative to its largest value. Double
precision must agree to 1e-9. Single precision must agree to 1e-4, or to twice what single precision
does to the reference itself where that is more; such a limit is printed.
"""
import argparse
import collections
import os
import pathlib
import subprocess
import sys
import tempfile

import torch
import yaml
from safetensors.torch import load_file, save_file

import reference as R

ROOT = pathlib.Path(__file__).resolve().parents[2]
LIMIT = {'metanas-f64': 1e-9, 'metanas': 1e-4}
PLAIN = ({'use': 'softmax'}, {'use': 'sum'})
SOFT = ({'use': 'soft_prune'}, {'use': 'soft_prune', 'k': 2})
DTYPE = {'metanas-f64': torch.float64, 'metanas': torch.float32}
# Adam with beta1 = 0 turns the sign of a rounding error into a full step where eps is tiny.
CALM = {'eps': 1e-2}


class Case:
    """One configuration, and what is to be run on it."""

    def __init__(self, name, space, mixers=PLAIN, shape=(1, 14, 14), mode='pass', learner=None,
                 meta=None, progress=1.0, split='train', n=4, ways=3, steps=3, tasks=2, epoch=None,
                 alpha_scale=1.0, zeroed=(), single=True):
        self.__dict__.update(name=name, shape=shape, mode=mode, progress=progress, split=split, n=n,
                             ways=ways, steps=steps, tasks=tasks, epoch=epoch,
                             alpha_scale=alpha_scale, zeroed=zeroed, single=single)
        self.config = {
            'run': {'meta_epochs': 10},
            'task': {'ways': ways},
            'dataset': {'use': 'glyphs'},
            'search_space': space,
            'op_mixer': mixers[0],
            'input_mixer': mixers[1],
            'task_learner': learner or {'use': 'darts'},
            'meta_learner': meta or {'use': 'reptile'},
        }
        if space['use'] != 'darts':
            del self.config['op_mixer'], self.config['input_mixer']

    def inputs(self, dtype, seed=0):
        """Weights, logits, images and labels, exact in `dtype`, as double."""
        generator = torch.Generator().manual_seed(sum(map(ord, self.name)) + 10000 * seed)
        network = R.Network(self.config, self.ways, self.split)
        point = R.Tensors(generator=generator)
        network(point, torch.rand(2, *self.shape, dtype=torch.float64, generator=generator))
        for name in point:
            scale = 0 if name in self.zeroed else self.alpha_scale if R.is_alpha(name) else 1
            point[name] = (scale * point[name]).to(dtype).double()
        lead = {'pass': (self.n,), 'learn': (self.steps, self.n),
                'meta': (self.tasks, self.steps, self.n)}[self.mode]
        data = self.draw_set('', lead, dtype, generator)
        if self.mode == 'meta':
            data |= self.draw_set('query_', (self.tasks, self.n + 1), dtype, generator)
        return network, R.Tensors(point), data

    def draw_set(self, prefix, lead, dtype, generator):
        images = torch.rand(*lead, *self.shape, dtype=torch.float64, generator=generator)
        return {prefix + 'images': images.to(dtype).double(),
                prefix + 'labels': torch.randint(self.ways, lead, generator=generator)}

    def expected(self, network, point, data):
        images, labels = data['images'], data['labels']
        if self.mode == 'pass':
            loss, gradients, logits, mixtures = R.loss_and_gradients(
                network, point, images, labels, self.progress)
            hits = (logits.argmax(1) == labels).sum().item()
            return {'logits': logits, 'loss': loss, 'hits': hits,
                    **{'grad.' + n: g for n, g in gradients.items()},
                    **{'mixture.' + n: m for n, m in mixtures.items()}}
        epoch = 9 if self.epoch is None else self.epoch
        warm_up = epoch < self.config['task_learner'].get('warm_up', 0.5) * 10
        if self.mode == 'learn':
            new, losses, _ = R.adapt(network, self.config, point, images, labels, self.split,
                                     warm_up)
        else:
            tasks = list(zip(images, labels, data['query_images'], data['query_labels']))
            new, losses = R.meta_step(network, self.config, point, tasks, self.split, warm_up,
                                      epoch / 10)
        return {'losses': losses, **new, **{'change of ' + n: new[n] - point[n] for n in new}}

    def probe(self, program, folder, point, data, more=()):
        config, state, out = (folder / f for f in ('config.yaml', 'in.safetensors',
                                                   'out.safetensors'))
        config.write_text(yaml.safe_dump(self.config, sort_keys=False))
        save_file({n: t.to(DTYPE[program.name]).contiguous() if t.is_floating_point() else t
                   for n, t in {**point, **data}.items()}, state)
        out.unlink(missing_ok=True)
        flags = ['--progress', repr(self.progress)] if self.mode == 'pass' else ['--' + self.mode]
        flags += ['--split', self.split] + ([] if self.epoch is None
                                            else ['--meta-epoch', str(self.epoch)])
        run = subprocess.run([program, 'probe', config, '--state', state, '--out', out, *flags,
                              *more],
                             capture_output=True, text=True)
        if run.returncode != 0:
            raise RuntimeError(f'exit {run.returncode}: {run.stderr.strip()}')
        found = load_file(out)
        if self.mode != 'pass':
            found |= {'change of ' + n: found[n].double() - point[n] for n in point}
        return found


def group(name):
    """Tensors of one kind: their scale is the floor under the scale of each of them."""
    kind = name.split('.')[0]
    return kind + ' of a' if 'alpha.' in name else kind


def differences(expected, found):
    """name -> worst difference relative to the tensor's largest value."""
    if set(expected) != set(found):
        raise RuntimeError(f'names differ: {sorted(set(expected) ^ set(found))}')
    largest = collections.defaultdict(float)
    for n, t in expected.items():
        largest[group(n)] = max(largest[group(n)], t.abs().max().item())
    result = {}
    for n, t in expected.items():
        # Some gradients are zero by construction, such as that of a bias before a batch norm:
        # compare those with their kind, and with a loss of order one.
        scale = max(t.abs().max().item(), 1e-3 * largest[group(n)], 1e-6)
        worst = (found[n].double().reshape(t.shape) - t).abs().max().item() / scale
        result[n] = worst if worst == worst else float('inf')
    return result


def in_precision(case, dtype, network, point, data):
    """The reference's outputs, computed in `dtype`."""
    torch.set_default_dtype(dtype)
    outputs = case.expected(network, R.Tensors({n: t.to(dtype) for n, t in point.items()}),
                            {n: t.to(dtype) if t.is_floating_point() else t
                             for n, t in data.items()})
    torch.set_default_dtype(torch.float64)
    return {n: torch.as_tensor(t, dtype=torch.float64) for n, t in outputs.items()}


def own_rounding(case, expected, network, point, data):
    """Worst difference of each kind that single precision makes in the reference itself."""
    errors = differences(expected, in_precision(case, torch.float32, network, point, data))
    worst = collections.defaultdict(float)
    for n, error in errors.items():
        worst[group(n)] = max(worst[group(n)], error)
    return worst


def run_draw(case, program, folder, seed, more):
    """Differences by tensor, limits by kind, and the tensors over their limit."""
    network, point, data = case.inputs(DTYPE[program.name], seed)
    expected = in_precision(case, torch.float64, network, point, data)
    errors = differences(expected, case.probe(program, folder, point, data, more))
    limit = {group(n): LIMIT[program.name] for n in errors}
    if program.name == 'metanas' and max(errors.values()) > LIMIT['metanas']:
        own = own_rounding(case, expected, network, point, data)
        limit = {kind: max(limit[kind], 2 * own[kind]) for kind in limit}
    return errors, limit, [n for n in errors if not errors[n] <= limit[group(n)]]


def run_case(case, program, folder, seed, more, verbose):
    """Whether all tensors agree. A value that rounding carries over the kink of a ReLU moves
    gradients by 1e-2 in one draw of the inputs, an error in the program does in all: single
    precision gets three draws, double one. A further draw is always reported."""
    for draw in range(3 if program.name == 'metanas' else 1):
        errors, limit, wrong = run_draw(case, program, folder, seed + 100 * draw, more)
        worst = max(errors, key=errors.get)
        over = errors[worst] > LIMIT[program.name]
        note = f'  (limit {limit[group(worst)]:.1e})' if over else ''
        word = 'ok' if not wrong else 'FAIL' if draw == 2 or program.name != 'metanas' else 'draw'
        print(f'{word:4} {program.name:11} {case.name:44} {errors[worst]:.1e}  {worst}{note}',
              flush=True)
        for n in errors if verbose else wrong[:8]:
            print(f'         {errors[n]:.1e}  {n}')
        if not wrong:
            return True
    return False


# ---- the cases ------------------------------------------------------------------------------


def darts(**options):
    return {'use': 'darts', 'channels': 4, 'cells': 2, 'nodes': 2, **options}


def genotype(name, **options):
    cells = yaml.safe_load((ROOT / 'configs' / 'genotypes' / f'{name}.yaml').read_text())
    return {'use': 'genotype', 'channels': 4, 'cells': 3, **cells, **options}


def soft(name, **options):
    return {'use': name, **options}


SIZES = {'28x28': (1, 28, 28), '14x14': (1, 14, 14), '9x9': (1, 9, 9), '11x8': (2, 11, 8),
         '8x11': (1, 8, 11), '5x6': (3, 5, 6)}
EVERY_OP = R.PAPER_OPS + R.FURTHER_OPS


def candidate_cases():
    for op in EVERY_OP:
        others = [op] if op != 'none' else [op, 'skip_connect']
        for size in ('14x14', '9x9', '11x8', '8x11'):
            yield Case(f'{op} alone {size}', darts(ops=others), shape=SIZES[size])
        yield Case(f'{op} alone affine', darts(ops=others, affine=True), shape=SIZES['5x6'])
    # Of a constant input every value is the largest; its weights see which of them gets the
    # gradient.
    yield Case('ties of a max pool', darts(ops=['max_pool_3x3', 'avg_pool_3x3'], cells=3),
               zeroed=('cells.0.preproc0.conv.weight',))


def network_cases():
    for size, shape in SIZES.items():
        yield Case(f'all candidates {size}', darts(ops=EVERY_OP, cells=4, nodes=3, channels=6),
                   shape=shape)
    yield Case('paper candidates, 84x84x3', darts(cells=4, nodes=3, channels=6), SOFT,
               shape=(3, 84, 84), n=2, progress=0.3)
    yield Case('C = 28, 28x28', darts(cells=4, nodes=3, channels=28), SOFT, shape=SIZES['28x28'],
               n=5, ways=5, progress=0.5)
    yield Case('C = 14, 28x28', darts(cells=4, nodes=3, channels=14), SOFT, shape=SIZES['28x28'],
               n=5, ways=5, progress=0)
    yield Case('one cell, normal', darts(cells=1), SOFT, progress=0.5)
    yield Case('reduction twice', darts(cells=4, reduction_cells=[1, 2]), SOFT, shape=SIZES['9x9'],
               progress=0.5)
    yield Case('reduction first', darts(cells=3, reduction_cells=[0]), SOFT, progress=0.5)
    yield Case('stem of C, one node', darts(stem_multiplier=1, nodes=1), SOFT, progress=0.5)
    yield Case('five nodes, ten channels', darts(nodes=5, channels=10), SOFT, progress=0.5)
    yield Case('one image', darts(), SOFT, n=1, progress=0.5)
    yield Case('23 images, 20 ways', darts(), SOFT, n=23, ways=20, progress=0.5)


def mixer_cases():
    for progress in (0.0, 0.5, 1.0):
        for k in (1, 2, 3):
            yield Case(f'soft_prune k={k} progress {progress}', darts(nodes=3, cells=3),
                       (soft('soft_prune'), soft('soft_prune', k=k)), progress=progress)
        yield Case(f'relu_softmax progress {progress}', darts(),
                   (soft('relu_softmax'), soft('sum')), progress=progress)
        yield Case(f'gumbel without noise, progress {progress}', darts(),
                   (soft('gumbel'), soft('soft_prune', k=1)), progress=progress)
        for threshold in (0.12, 0.3):
            mixers = (soft('soft_prune', threshold=threshold, t_min=0.2),
                      soft('soft_prune', k=2, threshold=threshold, t_min=0.3))
            yield Case(f'threshold {threshold} progress {progress}', darts(nodes=3, cells=3),
                       mixers, progress=progress)
    yield Case('everything under the threshold', darts(nodes=3, cells=3),
               (soft('soft_prune', threshold=0.5), soft('soft_prune', threshold=0.6)), progress=0.0,
               alpha_scale=0.1)
    yield Case('threshold of evaluation', darts(), (soft('soft_prune', test_threshold=0.15),
                                                    soft('soft_prune', test_threshold=0.2)),
               progress=0.2, split='test')
    yield Case('no threshold', darts(), (soft('soft_prune', threshold=0),
                                         soft('soft_prune', threshold=0)), progress=0.5)
    yield Case('softmax temperature 0.5', darts(), (soft('softmax', temperature=0.5),
                                                    soft('sum')))
    yield Case('relu_softmax, threshold 0.2', darts(),
               (soft('relu_softmax', threshold=0.2), soft('soft_prune', k=3)), progress=0.7)


def fixed_cases():
    for name in ('metanas-omniglot', 'metanas-miniimagenet', 'autometa'):
        for size in ('14x14', '9x9'):
            yield Case(f'genotype {name} {size}', genotype(name), shape=SIZES[size])
        yield Case(f'genotype {name} not affine', genotype(name, affine=False, cells=4))
    every = {'normal': [f'{op} 0, {op} 1' for op in EVERY_OP if op != 'none'],
             'reduction': [f'{op} 0, {op} 1' for op in EVERY_OP if op != 'none']}
    for size in SIZES:
        yield Case(f'genotype, every candidate {size}', genotype('autometa', **every, cells=2),
                   shape=SIZES[size])
    yield Case('genotype, one pair in a node', genotype('autometa', normal=['conv_3x3 1'],
                                                        reduction=['skip_connect 0', 'conv_3x3 2']))
    for shape in ((1, 28, 28), (3, 84, 84), (2, 19, 21)):
        yield Case('conv4 %dx%dx%d' % (*shape[1:], shape[0]), {'use': 'conv4', 'channels': 8},
                   shape=shape, ways=5)
    yield Case('conv4 32 channels', {'use': 'conv4', 'channels': 32}, shape=(1, 28, 28), n=20,
               ways=20)
    yield Case('conv4, two blocks', {'use': 'conv4', 'channels': 5, 'blocks': 2})


def learner(**options):
    return {'use': 'darts', **options}


def learn_cases():
    for mode in ('learn', 'meta'):
        def case(name, learn, meta=None, space=None, mixers=SOFT, **more):
            return Case(f'{mode}: {name}', space or darts(), mixers, mode=mode, learner=learn,
                        meta=meta, **more)
        yield case('joint, soft pruning', learner(), single=False, steps=4)
        yield case('joint, soft pruning, calm', learner(**CALM), steps=4)
        yield case('joint, thresholds skip', learner(lr_a=0.05, **CALM), steps=4,
                   mixers=(soft('soft_prune', threshold=0.1), soft('soft_prune', threshold=0.2)))
        yield case('alternating', learner(order='alternating', **CALM))
        yield case('plain DARTS', learner(**CALM), mixers=PLAIN)
        yield case('relu_softmax, k = 3', learner(**CALM), steps=4,
                   mixers=(soft('relu_softmax'), soft('soft_prune', k=3)))
        yield case('adapt fraction', learner(adapt_fraction=0.5, **CALM), steps=5)
        yield case('one architecture step', learner(adapt_fraction=0.2, **CALM), steps=5)
        yield case('one step', learner(**CALM), steps=1)
        yield case('weight decay, beta1', learner(weight_decay_w=0.1, weight_decay_a=0.2, beta1=0.5,
                                                  beta2=0.9, **CALM))
        yield case('warm-up', learner(**CALM), epoch=2)
        yield case('lr_a = 0', learner(lr_a=0, **CALM))
        yield case('settings of evaluation', learner(test_lr_w=0.02, test_lr_a=0.03, **CALM),
                   split='test', steps=4)
        yield case('sgd', soft('sgd', lr=0.02))
        yield case('sgd, momentum, decay', soft('sgd', lr=0.02, momentum=0.9, weight_decay=0.1))
        yield case('conv4', learner(**CALM), space={'use': 'conv4', 'channels': 8},
                   shape=(1, 28, 28))
        yield case('genotype', learner(**CALM), space=genotype('metanas-omniglot'))
    meta = {'mode': 'meta', 'learner': learner(**CALM)}
    yield Case('meta: reptile, cosine', darts(), SOFT, epoch=7, tasks=3,
               meta=soft('reptile', lr_w=0.7, lr_a=0.3, schedule='cosine'), **meta)
    yield Case('meta: fomaml', darts(), SOFT, meta=soft('fomaml', lr_w=0.2, lr_a=0.3), **meta)
    yield Case('meta: fomaml, thresholds', darts(),
               (soft('soft_prune', threshold=0.1), soft('soft_prune', threshold=0.2)),
               meta=soft('fomaml'), **meta)
    yield Case('meta: fomaml, adam', darts(), SOFT, meta=soft('fomaml', optimizer='adam', eps=1e-2),
               **meta)
    yield Case('meta: fomaml, linear, warm-up', darts(), SOFT, epoch=2,
               meta=soft('fomaml', schedule='linear'), **meta)
    yield Case('meta: fomaml, sgd', darts(), SOFT, mode='meta', learner=soft('sgd'),
               meta=soft('fomaml'))
    yield Case('meta: fomaml, conv4', {'use': 'conv4', 'channels': 8}, shape=(1, 28, 28),
               meta=soft('fomaml'), **meta)


def all_cases():
    for cases in (candidate_cases, network_cases, mixer_cases, fixed_cases, learn_cases):
        yield from cases()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('build', type=pathlib.Path, help='build folder of metanas')
    parser.add_argument('-k', metavar='WORD', default='', help='only cases whose name holds WORD')
    parser.add_argument('-v', action='store_true', help='print every tensor')
    parser.add_argument('--seed', type=int, default=0, help='other weights, logits and images')
    parser.add_argument('--set', metavar='KEY=VALUE', action='append', default=[],
                        help='passed on to metanas, like run.kernels=portable')
    parser.add_argument('--keep', type=pathlib.Path, help='work in this folder and leave the files')
    arguments = parser.parse_args()
    build = arguments.build.resolve()
    programs = [build / 'tools' / 'metanas-f64', build / 'tools' / 'metanas']
    torch.set_num_threads(1)
    os.environ['METANAS_PLUGIN_PATH'] = str(build / 'plugins')
    more = [word for assignment in arguments.set for word in ('--set', assignment)]
    failed = total = 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.keep or pathlib.Path(temporary)
        folder.mkdir(exist_ok=True)
        for case in (c for c in all_cases() if arguments.k in c.name):
            for program in programs if case.single else programs[:1]:
                total += 1
                try:
                    failed += not run_case(case, program, folder, arguments.seed, more, arguments.v)
                except RuntimeError as error:
                    failed += 1
                    print(f'FAIL {program.name:11} {case.name}: {error}', flush=True)
    print(f'{total - failed} of {total} agree')
    return failed > 0


if __name__ == '__main__':
    sys.exit(main())
