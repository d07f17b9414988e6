/* SPDX-License-Identifier: MIT */
#include "learn/host.h"

#include "backend/backend.h"
#include "backend/cpu/kernels/kernel.h"
#include "base/ctx.h"
#include "learn/configuration.h"
#include "learn/metrics.h"
#include "learn/state.h"
#include "learn/task.h"
#include "network/builder.h"
#include "plugin/instance.h"

const struct mn_host nas_host = {
    .size = sizeof nas_host,
    .abi_major = MN_ABI_MAJOR,
    .abi_minor = MN_ABI_MINOR,

    .fail = nas_service_fail,
    .bad_option = nas_service_bad_option,
    .log = nas_service_log,
    .cancelled = nas_service_cancelled,

    .enter = nas_service_enter,
    .leave = nas_service_leave,

    .configured = nas_service_configured,

    .scratch = nas_service_scratch,
    .keep = nas_service_keep,
    .keep_shared = nas_service_keep_shared,
    .state = nas_service_state,

    .model_dims = nas_service_model_dims,
    .model_segment = nas_service_model_segment,
    .model_mixture = nas_service_model_mixture,
    .model_pass = nas_service_taught_pass,
    .model_prune = nas_model_prune,

    .task_steps = nas_service_task_steps,
    .task_batch = nas_service_task_batch,
    .step_done = nas_service_step_done,
    .metric = nas_service_metric,

    .build_drop_path = nas_service_build_drop_path,
    .build_conv = nas_service_build_conv,
    .build_reduce = nas_service_build_reduce,
    .build_pool = nas_service_build_pool,
    .build_sum = nas_service_build_sum,
    .build_node = nas_service_build_node,
    .build_concat = nas_service_build_concat,
    .build_head = nas_service_build_head,

    .step_rates = nas_service_step_rates,
    .trace_steps = nas_service_trace_steps,
    .trace_point = nas_service_trace_point,
    .trace_back = nas_service_trace_back,
    .own_delta = nas_service_own_delta,
    .shapes = nas_service_shapes,
    .shape = nas_service_shape,
    .shape_back = nas_service_shape_back,

    .gemm = nas_gemm,
};
