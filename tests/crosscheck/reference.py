# SPDX-License-Identifier: MIT
"""METANAS in PyTorch: the one-shot and the fixed networks, the mixers, the learners.

Written from the equations, apart from the C code, to be compared with it. Everything is computed as
plain as possible: each candidate by itself, gradients by autograd. Tensors have the names and
shapes of docs/state-names.md.
"""
import itertools
import math

import torch
import torch.nn.functional as F

EPS = 1e-5
PAPER_OPS = ['max_pool_3x3', 'avg_pool_3x3', 'skip_connect', 'conv_1x5_5x1', 'conv_3x3',
             'sep_conv_3x3', 'dil_conv_3x3']
FURTHER_OPS = ['none', 'sep_conv_5x5', 'sep_conv_7x7', 'dil_conv_5x5', 'conv_7x1_1x7',
               'dense_conv_3x3']


def is_alpha(name):
    return name.startswith('alpha.')


class Tensors(dict):
    """Tensors by name. With a generator, a name that is not there is drawn on first use."""

    def __init__(self, content=(), generator=None):
        super().__init__(content)
        self.generator = generator

    def draw(self, name, shape):
        drawn = torch.randn(*shape, dtype=torch.float64, generator=self.generator)
        if is_alpha(name):
            return drawn
        if len(shape) > 1:
            return 1.5 * drawn / math.prod(shape[1:]) ** 0.5
        return 0.3 * drawn + name.endswith('weight')

    def take(self, name, *shape):
        if name not in self and self.generator is not None:
            self[name] = self.draw(name, shape)
        found = self[name]
        assert tuple(found.shape) == shape, (name, tuple(found.shape), shape)
        return found


# ---- layers ---------------------------------------------------------------------------------


def conv(x, weight, stride=(1, 1), dilation=1, bias=None):
    """Padded so that the window is centred; depthwise where the weight has one input channel."""
    kh, kw = weight.shape[2:]
    padding = (dilation * (kh - 1) // 2, dilation * (kw - 1) // 2)
    return F.conv2d(x, weight, bias, stride, padding, dilation, x.shape[1] // weight.shape[1])


def max_pool(x, stride):
    """3x3, padding 1; the gradient of equal values goes to the first in window order."""
    h, w = x.shape[2:]
    padded = F.pad(x, (1, 1, 1, 1), value=-math.inf)
    taps = torch.stack([padded[:, :, dy:dy + h:stride, dx:dx + w:stride]
                        for dy in range(3) for dx in range(3)])
    with torch.no_grad():
        best = taps.max(0, keepdim=True).values
        order = torch.arange(9).view(9, 1, 1, 1, 1)
        first = torch.where(taps == best, order, 9).min(0, keepdim=True).values
    return taps.gather(0, first)[0]


def avg_pool(x, stride):
    """3x3, padding 1, padding not counted."""
    return F.avg_pool2d(x, 3, stride, 1, count_include_pad=False)


def normalise(x):
    mean = x.mean((0, 2, 3), keepdim=True)
    variance = ((x - mean) ** 2).mean((0, 2, 3), keepdim=True)
    return (x - mean) / torch.sqrt(variance + EPS)


def node_pairs(text):
    """'conv_3x3 0, skip_connect 1 0.5' as [('conv_3x3', 0, 1.0), ('skip_connect', 1, 0.5)]."""
    pairs = (pair.split() + ['1'] for pair in text.split(','))
    return [(op, int(i), float(weight)) for op, i, weight, *_ in pairs]


class Network:
    """The network of a configuration, a function of (tensors, images, progress)."""

    def __init__(self, config, ways, split='train'):
        self.space = config['search_space']
        self.kind = self.space['use']
        self.ways = ways
        self.affine = self.space.get('affine', self.kind == 'genotype')
        self.op_mixer = Mixer(config.get('op_mixer', {'use': 'softmax'}), split)
        self.input_mixer = Mixer(config.get('input_mixer', {'use': 'sum'}), split)

    def __call__(self, tensors, images, progress=1.0):
        """Logits and mixture weights. No candidate is skipped while tensors are being drawn."""
        self.t = tensors
        self.progress = progress
        self.mixtures = {}
        features = self.blocks(images) if self.kind == 'conv4' else self.cells(images)
        weight = self.t.take('head.weight', self.ways, features.shape[1])
        return features @ weight.T + self.t.take('head.bias', self.ways), self.mixtures

    def norm(self, x, name, affine):
        x = normalise(x)
        if not affine:
            return x
        shape = (1, -1, 1, 1)
        return x * self.t.take(name + '.weight', x.shape[1]).view(shape) + \
            self.t.take(name + '.bias', x.shape[1]).view(shape)

    # -- fixed four-block network

    def blocks(self, x):
        channels = self.space.get('channels', 32)
        for b in range(self.space.get('blocks', 4)):
            name = f'blocks.{b}.'
            weight = self.t.take(name + 'conv.weight', channels, x.shape[1], 3, 3)
            x = conv(x, weight, bias=self.t.take(name + 'conv.bias', channels))
            x = F.max_pool2d(torch.relu(self.norm(x, name + 'bn', True)), 2)
        return x.flatten(1)

    # -- cells

    def cells(self, images):
        self.c = self.space.get('channels', 28)
        reduction_cells = self.space.get('reduction_cells')
        stem = self.t.take('stem.conv.weight', self.space.get('stem_multiplier', 3) * self.c,
                           images.shape[1], 3, 3)
        older = newer = self.norm(conv(images, stem), 'stem.bn', True)
        after_reduction = False
        for i in range(self.space.get('cells', 4)):
            reduction = i in reduction_cells if reduction_cells else i % 2 == 1
            states = [self.preprocess(older, f'cells.{i}.preproc0', after_reduction),
                      self.preprocess(newer, f'cells.{i}.preproc1', False)]
            for j in range(self.n_nodes(reduction)):
                states.append(self.node(states, i, j, reduction))
            older, newer = newer, torch.cat(states[2:], 1)
            after_reduction = reduction
        return newer.mean((2, 3))

    def preprocess(self, x, name, reduce):
        if reduce:
            return self.factorized_reduce(x, name)
        weight = self.t.take(name + '.conv.weight', self.c, x.shape[1], 1, 1)
        return self.norm(conv(torch.relu(x), weight), name + '.bn', self.affine)

    def factorized_reduce(self, x, name):
        shape = (self.c // 2, x.shape[1], 1, 1)
        x = torch.relu(x)
        odd = x.shape[2] % 2 or x.shape[3] % 2
        shifted = x if odd else x[:, :, 1:, 1:]
        halves = [conv(x, self.t.take(name + '.conv1.weight', *shape), (2, 2)),
                  conv(shifted, self.t.take(name + '.conv2.weight', *shape), (2, 2))]
        return self.norm(torch.cat(halves, 1), name + '.bn', self.affine)

    def n_nodes(self, reduction):
        if self.kind == 'darts':
            return self.space.get('nodes', 3)
        return len(self.space['reduction' if reduction else 'normal'])

    def node(self, states, cell, j, reduction):
        name = f'cells.{cell}.nodes.{j}.edges.'
        stride = [2 if reduction and i < 2 else 1 for i in range(len(states))]
        if self.kind == 'genotype':
            pairs = node_pairs(self.space['reduction' if reduction else 'normal'][j])
            return sum(weight * self.candidate(states[i], f'{name}{e}.{op}', op, stride[i])
                       for e, (op, i, weight) in enumerate(pairs))
        group = ('reduction' if reduction else 'normal') + f'.{j}'
        ops = self.space.get('ops', PAPER_OPS)
        m, q = self.node_mixture(group, len(states), len(ops))
        total = 0
        for i, x in enumerate(states):
            for o, op in enumerate(ops):
                weight = q[i] * m[i, o]
                if weight != 0 or self.t.generator is not None:
                    total = total + weight * self.candidate(x, f'{name}{i}.{op}', op, stride[i])
        return total

    def node_mixture(self, group, n_inputs, n_ops):
        """Weights m[input, op] of the candidates and q[input] of the edges."""
        if group + '.op' not in self.mixtures:
            logits = self.t.take(f'alpha.{group}.op', n_inputs, n_ops)
            self.mixtures[group + '.op'] = torch.stack(
                [self.op_mixer.weights(row, self.progress) for row in logits])
            choices = self.input_mixer.combinations(n_inputs)
            logits = None
            if self.input_mixer.use != 'sum':
                logits = self.t.take(f'alpha.{group}.in', len(choices))
            self.mixtures[group + '.in'] = self.input_mixer.weights(logits, self.progress,
                                                                    len(choices))
        m, q = self.mixtures[group + '.op'], self.mixtures[group + '.in']
        holds = torch.tensor([[i in c for c in self.input_mixer.combinations(n_inputs)]
                              for i in range(n_inputs)]).to(q)
        return m, holds @ q

    # -- candidates

    def candidate(self, x, name, op, stride):
        s = (stride, stride)
        if op == 'none':
            return 0 * x[:, :, ::stride, ::stride]
        if op in ('max_pool_3x3', 'avg_pool_3x3'):
            pooled = (max_pool if op == 'max_pool_3x3' else avg_pool)(x, stride)
            return self.norm(pooled, name + '.bn', self.affine)
        if op == 'skip_connect':
            return x if stride == 1 else self.factorized_reduce(x, name)
        if op == 'conv_1x5_5x1':
            return self.pair(x, name, (1, 5), s, (5, 1), (1, 1))
        if op == 'conv_7x1_1x7':
            return self.pair(x, name, (1, 7), (1, stride), (7, 1), (stride, 1))
        if op == 'dense_conv_3x3':
            weight = self.t.take(name + '.conv.weight', self.c, self.c, 3, 3)
            return self.norm(conv(torch.relu(x), weight, s), name + '.bn', self.affine)
        size = int(op[-1])
        if op.startswith('sep_conv'):
            x = self.separable(x, name, '1', size, s, 1)
            return self.separable(x, name, '2', size, (1, 1), 1)
        return self.separable(x, name, '', size, s, 2 if op.startswith('dil_conv') else 1)

    def pair(self, x, name, first, stride1, second, stride2):
        weight = self.t.take(name + '.conv1.weight', self.c, self.c, *first)
        x = conv(torch.relu(x), weight, stride1)
        x = conv(x, self.t.take(name + '.conv2.weight', self.c, self.c, *second), stride2)
        return self.norm(x, name + '.bn', self.affine)

    def separable(self, x, name, part, size, stride, dilation):
        depthwise = self.t.take(f'{name}.dw{part}.weight', self.c, 1, size, size)
        pointwise = self.t.take(f'{name}.pw{part}.weight', self.c, self.c, 1, 1)
        x = conv(conv(torch.relu(x), depthwise, stride, dilation), pointwise)
        return self.norm(x, f'{name}.bn{part}', self.affine)


class Mixer:
    """From logits to mixture weights: Eq. 1, 5, 6, 7. Those at or under the threshold become 0."""

    def __init__(self, section, split):
        self.use = section['use']
        self.section = section
        self.threshold = 0
        if self.use in ('soft_prune', 'relu_softmax', 'gumbel'):
            self.threshold = section.get('threshold', 0.01) if split == 'train' \
                else section.get('test_threshold', 0.05)

    def combinations(self, n):
        k = 1 if self.use == 'sum' else min(self.section.get('k', 2), n)
        return list(itertools.combinations(range(n), k))

    def temperature(self, progress):
        if self.use in ('soft_prune', 'gumbel'):
            high, low = self.section.get('t_max', 1.0), self.section.get('t_min', 0.05)
            return high - progress * (high - low)
        return self.section.get('temperature', 1.0)

    def weights(self, logits, progress, n=None):
        if self.use == 'sum':
            return torch.ones(n)
        weights = torch.softmax(logits / self.temperature(progress), 0)
        if self.use == 'relu_softmax' and (logits > 0).any():
            rest = torch.relu(logits)
            weights = (1 - progress) * weights + progress * rest / rest.sum()
        if self.threshold == 0:
            return weights
        kept = weights > self.threshold
        if not kept.any():
            kept[weights.argmax()] = True
        return torch.where(kept, weights, torch.zeros_like(weights))


# ---- learners -------------------------------------------------------------------------------


def loss_and_gradients(network, point, images, labels, progress):
    """Cross entropy of the batch, gradients by name, logits, mixtures."""
    leaves = Tensors({name: t.detach().clone().requires_grad_() for name, t in point.items()})
    logits, mixtures = network(leaves, images, progress)
    loss = F.cross_entropy(logits, labels)
    found = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True)
    gradients = {name: torch.zeros_like(t) if g is None else g
                 for (name, t), g in zip(leaves.items(), found)}
    return loss.item(), gradients, logits.detach(), {n: m.detach() for n, m in mixtures.items()}


class Adam:
    """Kingma and Ba, with L2 decay added to the gradient."""

    def __init__(self, lr, section, decay):
        self.lr, self.decay = lr, decay
        self.b1, self.b2 = section.get('beta1', 0.0), section.get('beta2', 0.999)
        self.eps = section.get('eps', 1e-8)
        self.m, self.v, self.t = {}, {}, 0

    def step(self, point, gradients, names):
        self.t += 1
        for n in names:
            g = gradients[n] + self.decay * point[n]
            self.m[n] = self.b1 * self.m.get(n, 0) + (1 - self.b1) * g
            self.v[n] = self.b2 * self.v.get(n, 0) + (1 - self.b2) * g * g
            mean = self.m[n] / (1 - self.b1 ** self.t)
            root = torch.sqrt(self.v[n] / (1 - self.b2 ** self.t))
            point[n] = point[n] - self.lr * mean / (root + self.eps)


class Sgd:
    def __init__(self, lr, section):
        self.lr = lr
        self.momentum, self.decay = section.get('momentum', 0), section.get('weight_decay', 0)
        self.v = {}

    def step(self, point, gradients, names):
        for n in names:
            self.v[n] = self.momentum * self.v.get(n, 0) + gradients[n] + self.decay * point[n]
            point[n] = point[n] - self.lr * self.v[n]


class Plan:
    """What the task learner does in which step of a task (Eq. 3, Algorithm 3)."""

    def __init__(self, config, split, warm_up, steps):
        s = config['task_learner']
        test = split != 'train'

        def option(name, default):
            value = s.get('test_' + name, -1) if test else -1
            return value if value >= 0 else s.get(name, default)

        self.steps, self.alternating = steps, s.get('order', 'joint') == 'alternating'
        if s['use'] == 'sgd':
            self.opt_w, self.opt_a = Sgd(option('lr', 0.01), s), None
            self.arch_steps, self.annealed = 0, steps
            return
        self.opt_w = Adam(option('lr_w', 0.005), s, s.get('weight_decay_w', 0))
        self.opt_a = Adam(option('lr_a', 0.005), s, s.get('weight_decay_a', 1e-3))
        fraction = s.get('test_adapt_fraction', 0.5) if test else s.get('adapt_fraction', 1)
        self.arch_steps = 0 if self.opt_a.lr == 0 else math.floor(fraction * steps + 0.5)
        self.annealed = self.arch_steps
        self.warm_up = warm_up and not test
        if self.warm_up:
            self.arch_steps, self.annealed = 0, None

    def progress(self, step):
        if self.annealed is None:
            return 0.0
        if step >= self.annealed:
            return 1.0
        return step / (self.annealed - 1) if self.annealed > 1 else 0.0


def adapt(network, config, point, images, labels, split='train', warm_up=False):
    """The task learner over mini-batches in order: the adapted point, losses, and whether the
    architecture was adapted."""
    point = Tensors(point)
    plan = Plan(config, split, warm_up, len(images))
    w, a = ([n for n in point if is_alpha(n) == arch] for arch in (False, True))
    losses = []
    for step, batch in enumerate(zip(images, labels)):
        progress, searching = plan.progress(step), bool(a) and step < plan.arch_steps
        loss, gradients, _, _ = loss_and_gradients(network, point, *batch, progress)
        if searching:
            plan.opt_a.step(point, gradients, a)
            if plan.alternating:
                loss, gradients, _, _ = loss_and_gradients(network, point, *batch, progress)
        plan.opt_w.step(point, gradients, w)
        losses.append(loss)
    return point, losses, plan.arch_steps > 0


def meta_step(network, config, point, tasks, split='train', warm_up=False, epoch_share=0.0):
    """Eq. 4 over tasks (images, labels, query_images, query_labels): the new meta point, losses."""
    section = config['meta_learner']
    sums, losses = {n: 0 for n in point}, []
    for images, labels, query_images, query_labels in tasks:
        adapted, task_losses, searched = adapt(network, config, point, images, labels, split,
                                               warm_up)
        losses.append(task_losses)
        if section['use'] == 'reptile':
            direction = {n: point[n] - adapted[n] for n in point}
        else:
            direction = loss_and_gradients(network, adapted, query_images, query_labels, 1.0)[1]
        for n in point:
            if searched or not is_alpha(n):
                sums[n] = sums[n] + direction[n]
    factor = {'constant': 1, 'linear': 1 - epoch_share,
              'cosine': (1 + math.cos(math.pi * epoch_share)) / 2}[section.get('schedule',
                                                                               'constant')]
    default_w, default_a = (1.0, 0.6) if section['use'] == 'reptile' else (0.1, 0.1)
    lr = (factor * section.get('lr_w', default_w), factor * section.get('lr_a', default_a))
    mean = {n: torch.as_tensor(sums[n] / len(tasks)) for n in point}
    result = Tensors(point)
    if section.get('optimizer', 'sgd') == 'adam':
        defaults = {'beta1': 0.9, **section}
        for arch in (False, True):
            names = [n for n in point if is_alpha(n) == arch and mean[n].shape == point[n].shape]
            Adam(lr[arch], defaults, 0).step(result, mean, names)
    else:
        for n in point:
            result[n] = point[n] - lr[is_alpha(n)] * mean[n]
    return result, losses
