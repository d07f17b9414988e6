#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Time of a meta-epoch on many cores, from figures of one machine (docs/log/scaling.md).

    tools/scaling/model.py [--help]

Prints the tables of docs/log/scaling.md; every figure in it is an option."""

import argparse
import math

OPTIONS = [
    ('task', 1.42, 'seconds of a task on one core'),
    ('slowdown', 1.25, 'of a task where all cores of a node are at work'),
    ('spread', 0.05, 'standard deviation of the seconds of a task, relative'),
    ('state', 3.7e6, 'bytes of the state that tasks start from'),
    ('result', 3.7e6, 'bytes that a task sends back'),
    ('add', 0.44e-9, 'seconds to add one real of a result to the mean'),
    ('message', 30e-6, 'seconds that rank 0 spends on a task given out and its result'),
    ('latency', 20e-6, 'seconds for a message to arrive'),
    ('cores', 32, 'cores of a node, with one rank'),
]
NETWORKS = [('10 Gbit/s', 1.25e9), ('100 Gbit/s', 12.5e9)]
CORES = [8, 16, 32, 64, 128, 256, 512, 1024]


def meta_epoch(o, cores, tasks, bandwidth):
    """Seconds of the parts of a meta-epoch."""
    ranks = max(1, math.ceil(cores / o.cores))
    remote = tasks * (1 - 1 / ranks)
    busy = min(cores, tasks)
    rounds = math.ceil(tasks / cores)
    task = o.task * o.slowdown
    # The last task of the last round: the expected largest of `busy` normal values, about.
    straggler = task * o.spread * math.sqrt(2 * math.log(busy)) if busy > 1 else 0
    send = math.ceil(math.log2(ranks)) * (o.latency + o.state / bandwidth)
    # Results of all rounds but the last travel while others compute, as far as they fit.
    transfer = remote * (o.result / bandwidth + o.message)
    last = transfer / rounds
    receive = last + max(0, transfer - last - (rounds - 1) * task)
    update = tasks * o.result / 4 * o.add
    return {'compute': rounds * task, 'straggler': straggler, 'send': send, 'receive': receive,
            'update': update}


def row(o, cores, tasks, bandwidth):
    parts = meta_epoch(o, cores, tasks, bandwidth)
    total = sum(parts.values())
    ideal = tasks * o.task * o.slowdown / cores
    return [cores, tasks, total, tasks / total, ideal / total] + [
        parts[k] / total for k in ('straggler', 'send', 'receive', 'update')]


def table(o, title, tasks_of, bandwidth):
    print('%s\n' % title)
    print('| cores | tasks | s a meta-epoch | tasks a second | efficiency | straggler | send | '
          'receive | update |')
    print('| --- ' * 9 + '|')
    for cores in CORES:
        r = row(o, cores, tasks_of(cores), bandwidth)
        print('| %d | %d | %.2f | %.1f | %.0f%% | ' % (*r[:4], 100 * r[4]) +
              ' | '.join('%.1f%%' % (100 * x) for x in r[5:]) + ' |')
    print()


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default, text in OPTIONS:
        parser.add_argument('--' + name, type=type(default), default=default,
                            help='%s (%g)' % (text, default))
    o = parser.parse_args()
    for name, bandwidth in NETWORKS:
        table(o, '10 tasks, %s' % name, lambda cores: 10, bandwidth)
        table(o, 'as many tasks as cores, %s' % name, lambda cores: max(10, cores), bandwidth)
        table(o, 'four tasks a core, %s' % name, lambda cores: 4 * cores, bandwidth)


main()
