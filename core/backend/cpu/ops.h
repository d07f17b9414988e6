/* SPDX-License-Identifier: MIT */
#ifndef NAS_BACKEND_CPU_OPS_H
#define NAS_BACKEND_CPU_OPS_H

/* The operations of a schedule. */

#include "backend/cpu/schedule.h"

/* source.c: images to `to`. */
void nas_op_images(struct nas_run *run, const struct nas_cpu_op *op);
/* `to` = ReLU of `from`: of a state, or of its phases. */
void nas_op_relu(struct nas_run *run, const struct nas_cpu_op *op);
/* `to` = the four phases of a state, or with `relu` those of its ReLU. */
void nas_op_split(struct nas_run *run, const struct nas_cpu_op *op);
/* Bring the gradients of a layer's output together: phases into whole tensors; for nodes, that of
 * its ReLU (by its value `from`) into that of itself, `to`. */
void nas_op_fold(struct nas_run *run, const struct nas_cpu_op *op);

/* node.c: begin a node's output `to`; add the paths of an edge; fill in what none gave. */
void nas_op_node_begin(struct nas_run *run, const struct nas_cpu_op *op);
void nas_op_edge(struct nas_run *run, const struct nas_cpu_op *op);
void nas_op_node_end(struct nas_run *run, const struct nas_cpu_op *op);
/* On the way back: the output of a convolution once more, from what it was before batch norm; the
 * outputs of an edge's pools once more. */
void nas_op_recompute_norm(struct nas_run *run, const struct nas_cpu_op *op);
void nas_op_recompute_pools(struct nas_run *run, const struct nas_cpu_op *op);

/* Given the gradient `from` of the node's output, add to the gradients of the
 * sources of an edge's paths, of the weights and of the mixtures. */
void nas_op_edge_backward(struct nas_run *run, const struct nas_cpu_op *op);

/* head.c: features of `from`; their gradient to that of the head's state, `to`. */
void nas_op_head(struct nas_run *run, const struct nas_cpu_op *op);
void nas_op_head_backward(struct nas_run *run, const struct nas_cpu_op *op);

#endif
