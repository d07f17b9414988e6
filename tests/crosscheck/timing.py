# SPDX-License-Identifier: MIT
"""Time PyTorch on the networks of the paper, and METANAS beside it: milliseconds of a step."""
import argparse
import fnmatch
import json
import resource
import statistics
import subprocess
import sys
import time

import torch
import torch.nn.functional as F

import reference as R

SOFT = {'op_mixer': {'use': 'soft_prune'}, 'input_mixer': {'use': 'soft_prune', 'k': 2}}
BATCH = WAYS = 20
# Cases of metanas-bench (tools/bench/cases.c): search space, backward too, pruned.
CASES = {
    'step-c28': ({'use': 'darts', 'channels': 28}, True, False),
    'step-c14': ({'use': 'darts', 'channels': 14}, True, False),
    'conv4-32': ({'use': 'conv4', 'channels': 32}, True, False),
    'forward-c28': ({'use': 'darts', 'channels': 28}, False, False),
    'pruned-c28': ({'use': 'darts', 'channels': 28}, False, True),
}


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


# ---- PyTorch ----------------------------------------------------------------------------------


def logits_of(shape, pruned, first):
    """Equal logits, so that all candidates are computed; or one choice of each mixture stays, in
    turn, and the threshold takes the rest."""
    logits = torch.zeros(shape)
    rows = logits.view(-1, shape[-1])
    for i in range(len(rows) if pruned else 0):
        rows[i, (first + i) % shape[-1]] = 30
    return logits


def start_point(network, pruned):
    point = R.Tensors(generator=torch.Generator().manual_seed(1))
    network(point, torch.rand(2, 1, 28, 28, dtype=torch.float64))
    mixtures = 0
    for name, t in point.items():
        if R.is_alpha(name):
            point[name] = logits_of(t.shape, pruned, mixtures)
            mixtures += t.numel() // t.shape[-1]
    return R.Tensors({name: t.detach().float().requires_grad_() for name, t in point.items()})


def one_step(network, point, images, labels, backward, progress):
    if not backward:
        with torch.no_grad():
            network(point, images, progress)
        return
    loss = F.cross_entropy(network(point, images, progress)[0], labels)
    torch.autograd.grad(loss, list(point.values()))


def measure(case, threads, repeats):
    """One case in this process, which should do nothing else: its peak memory is reported."""
    space, backward, pruned = CASES[case]
    torch.set_default_dtype(torch.float32)
    torch.set_num_threads(threads)
    network = FastNetwork({'search_space': space, **SOFT}, WAYS)
    point = start_point(network, pruned)
    step = (network, point, torch.rand(BATCH, 1, 28, 28), torch.randint(WAYS, (BATCH,)), backward,
            1.0 if pruned else 0.0)
    one_step(*step)
    times, used = [], []
    for _ in range(repeats):
        start, cpu = time.perf_counter(), time.process_time()
        one_step(*step)
        times.append(1000 * (time.perf_counter() - start))
        used.append(1000 * (time.process_time() - cpu))
    return {'kind': 'pytorch', 'case': case, 'version': torch.__version__, 'threads': threads,
            'batch': BATCH, 'repeats': repeats, 'ms': statistics.median(times),
            'ms_min': min(times), 'ms_max': max(times), 'processor_ms': statistics.median(used),
            'peak_mbytes': resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def lines_of(command):
    """The JSON lines that a program prints."""
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def pytorch(case, threads, repeats):
    return lines_of([sys.executable, __file__, '--alone', case, '--threads', str(threads),
                     '--repeats', str(repeats)])[0]


# ---- METANAS ----------------------------------------------------------------------------------


def metanas(program, case, workers, repeats):
    """The lines of metanas-bench for one case: bounds, then one for each number of workers."""
    return lines_of([program, '--json', '--only', case, '--repeats', str(repeats),
                     '--workers', ','.join(map(str, workers))])


def compared(reference, line):
    """PyTorch's step with a number of threads against METANAS's with as many workers."""
    return {'kind': 'compare', 'case': line['case'], 'threads': line['workers'],
            'pytorch_ms': reference['ms'], 'metanas_ms': line['ms'],
            'ratio': reference['ms'] / line['ms'], 'pytorch_peak_mbytes': reference['peak_mbytes'],
            'metanas_peak_mbytes': line['peak_mbytes']}


# ---- output -----------------------------------------------------------------------------------


def text_of(line):
    if line['kind'] == 'pytorch':
        return (f"{line['case']:12} PyTorch, {line['threads']} threads: {line['ms']:8.2f} ms  "
                f"({line['ms_min']:.2f} to {line['ms_max']:.2f}, processor "
                f"{line['processor_ms']:.2f}), peak {line['peak_mbytes']:.0f} MB")
    if line['kind'] == 'compare':
        memory = line['metanas_peak_mbytes']
        return (f"{line['case']:12} {line['threads']:7} {line['pytorch_ms']:11.2f} "
                f"{line['metanas_ms']:11.2f} {line['ratio']:7.2f} "
                f"{line['pytorch_peak_mbytes']:11.0f} {'?' if memory is None else round(memory):>11}")
    return None


HEADING = (f"{'case':12} {'threads':>7} {'PyTorch ms':>11} {'METANAS ms':>11} {'ratio':>7} "
           f"{'PyTorch MB':>11} {'METANAS MB':>11}")


def numbers(text):
    return [int(number) for number in text.split(',')]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--bench', metavar='PROGRAM', help='metanas-bench, to be run beside it')
    parser.add_argument('--only', metavar='GLOB', default='*', help='cases whose name matches')
    parser.add_argument('--threads', type=numbers, default=[2, 1],
                        help='of PyTorch, and workers of METANAS (2,1)')
    parser.add_argument('--repeats', type=int, default=7, help='measurements (7)')
    parser.add_argument('--json', action='store_true', help='one JSON object a line')
    parser.add_argument('--alone', metavar='CASE', choices=CASES, help=argparse.SUPPRESS)
    return parser.parse_args()


def run(options, put):
    for case in fnmatch.filter(CASES, options.only):
        references = {n: pytorch(case, n, options.repeats) for n in options.threads}
        for line in references.values():
            put(line)
        if options.bench is None:
            continue
        for line in metanas(options.bench, case, options.threads, options.repeats):
            put(line)
            if line['kind'] == 'case':
                put(compared(references[line['workers']], line))


def main():
    options = arguments()
    if options.alone:
        print(json.dumps(measure(options.alone, options.threads[0], options.repeats)))
        return
    results = []

    def put(line):
        results.append(line)
        if options.json:
            print(json.dumps(line), flush=True)
        elif line['kind'] == 'pytorch':
            print(text_of(line), flush=True)

    run(options, put)
    if not options.json and options.bench:
        print('\n' + '\n'.join([HEADING] + [text_of(line) for line in results
                                            if line['kind'] == 'compare']))


if __name__ == '__main__':
    main()
