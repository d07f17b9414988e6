/* SPDX-License-Identifier: MIT */
#include "rules.h"

#include <stddef.h>
#include <string.h>

static const struct kit_rule rules[] = {
    /* ---- loading -------------------------------------------------------------------------- */
    {"load_file", "The file cannot be opened as a plugin: it is missing, damaged or unsafe.",
     "See the message; build the plugin again, or correct its path and mode."},
    {"load_open",
     "The dynamic linker refuses the file. Symbols are bound at once, so that a missing one shows "
     "here and not in the middle of a run.",
     "Link with -Wl,--no-undefined and with every library that is used; build for this system."},
    {"load_entry", "A plugin offers the function mn_plugin_entry, which returns its descriptor.",
     "Write MN_PLUGIN(name, version, units) once, at the end of one source file."},
    {"load_tables",
     "The descriptor or a table in it breaks a rule of the interface, so the plugin is never run.",
     "See the message; use the macros of <metanas/plugin.h>, and build with the headers of this "
     "host."},
    {"exports",
     "A plugin exports mn_plugin_entry alone: other symbols can collide with those of another "
     "plugin or library.",
     "Make functions static, and compile with -fvisibility=hidden."},
    {"file_name", "`use: NAME` looks for NAME.so, so a plugin's name and that of its file agree.",
     "Rename the file, or change the name in MN_PLUGIN."},
    {"docs", "Help and reference pages are made from the doc lines of units and options.",
     "Write one line, without a full stop at its end, for every unit and option."},
    {"signal_handler", "Signal handlers belong to the host: it saves a run when it is stopped.",
     "Remove the calls of signal and sigaction."},
    {"signal_mask", "A blocked signal keeps the host from saving and stopping a run.",
     "Restore the mask that pthread_sigmask gave, or leave it alone."},
    {"locale", "Other code reads and prints numbers by the locale, which all threads share.",
     "Remove setlocale; use newlocale and uselocale for a moment, or format by hand."},
    {"fp_mode",
     "Rounding, traps and treatment of denormals change the results of everything that runs "
     "after.",
     "Restore the mode with fesetenv before returning; do not link with -ffast-math."},
    {"working_directory", "Relative paths of the host and of other plugins hang on it.",
     "Remove chdir; use openat, or build absolute paths."},
    {"umask", "The modes of files that the host writes hang on it.", "Remove umask."},
    {"environment", "Reading it is not safe while it changes, and it is inherited.",
     "Remove setenv and putenv; use options."},
    /* ---- any call ------------------------------------------------------------------------- */
    {"crash", "The plugin was ended by a signal or by a sanitizer.",
     "Run the case in a debugger with --in-process; build with -fsanitize=address,undefined."},
    {"hang", "The case took longer than the time limit.",
     "Run it in a debugger with --in-process and interrupt it; --timeout sets the limit."},
    {"exits", "The plugin ended the program. That is for the host to decide.",
     "Return a status with mn_fail instead of calling exit, _exit or abort."},
    {"prints", "A plugin does not write to standard output or standard error.",
     "Use mn_log, which knows the level and names the unit."},
    {"unknown_status", "A call returns MN_OK or one of the negative values of enum mn_status.",
     "Return mn_fail(ctx, MN_..., \"...\") for a failure and MN_OK otherwise."},
    {"no_message", "A failure comes with a message that says what went wrong.",
     "Return mn_fail(ctx, status, \"...\"), or the status of the service that failed."},
    {"fails", "A call that should succeed with default options failed.",
     "See the message. If an option needs a value, give it with --set KIND.KEY=VALUE."},
    {"out_of_bounds", "Memory outside a buffer was written.",
     "Compare the length of the buffer in the header with the loops; n_saved and n_state tell "
     "the host how much to give. Build with -fsanitize=address."},
    {"writes_self",
     "Functions marked [worker] run on many threads with one instance, so the instance is "
     "constant.",
     "Keep what a call computes in mn_scratch or in its outputs; prepare the rest in start."},
    {"writes_input", "Pointers to const are borrowed: others read the same memory.",
     "Copy what you change into mn_scratch, and do not cast const away."},
    {"unwritten", "An output was left as it was.", "Write every element, also zeros."},
    {"not_finite", "An output is not a number, or infinite.",
     "Look for divisions by zero, logarithms of zero and exponentials of large numbers (subtract "
     "the maximum before exp), and for memory that is read before it is written."},
    {"not_repeatable",
     "The same call gave different results. Runs must repeat to the bit from their seed.",
     "Draw from the stream given or from mn_rng_start; do not use rand, the time, addresses or "
     "static variables. Read no memory that was not written."},
    {"thread_race", "The same calls on four threads at once differ from those on one.",
     "Remove static and global variables that are written; keep working memory in mn_scratch."},
    {"ignores_no_memory",
     "When a service finds no memory it records a message and returns NULL; the call then returns "
     "MN_NOMEM.",
     "Check every result of mn_scratch, mn_keep and mn_state, and the status of every service."},
    {"leak", "Memory grows with every instance that is made and given back.",
     "Take memory from mn_scratch and mn_keep, or free it in stop."},
    {"descriptors", "Files stay open after the instance is given back.",
     "Close them before returning, or in stop."},
    {"threads_left", "Threads stay after the instance is given back.", "Join them in stop."},
    {"size_field", "Structs that cross the border begin with their size, so that they can grow.",
     "Set .size = sizeof of the struct."},
    /* ---- options -------------------------------------------------------------------------- */
    {"refused_defaults", "A unit must accept its own default options.",
     "Change the defaults or the rules in check. Make an option without a sensible default "
     "MN_OPT_REQUIRED, or let its minimum or an empty text stand for none."},
    {"refused_option",
     "A value inside the declared range was refused without naming an option, so the host cannot "
     "point at the line.",
     "Narrow the range in the table, or refuse with mn_bad_option(ctx, \"key\", ...)."},
    {"option", "An option given with --set does not fit the unit.", "Correct the --set."},
    /* ---- mixers --------------------------------------------------------------------------- */
    {"choices",
     "n_choices, n_logits and holds describe one mixture: each choice is a set of items, for "
     "operations choice i is item i.",
     "See <metanas/mixer.h>; plugins/softmax has the functions for operations."},
    {"simplex", "Mixture weights are not negative and sum to 1 (Eq. 1, 5 and 7).",
     "Normalise at the end. If this is meant, set MN_UNIT_FREE_SUM in the flags of the unit."},
    {"gradient", "backward must add the derivative of what forward computes.",
     "Derive it again; mind the temperature, the noise kept in `saved`, and that every weight "
     "depends on every logit. Where training passes give an estimate by intent, set "
     "MN_UNIT_SURROGATE."},
    {"gradient_not_added", "Mixtures share logits, so backward adds to d_logits.",
     "Use += instead of =."},
    {"threshold", "The threshold is a weight: at least 0 and below 1.", "Correct its range."},
    {"keeps_none", "select and prune must keep at least one choice, or the network falls apart.",
     "Keep the largest weight in any case."},
    {"keep_value", "keep[i] is 1 or 0.", "Write the result of a comparison."},
    /* ---- learners ------------------------------------------------------------------------- */
    {"zero_steps", "A task of no steps leaves the parameters as they are.",
     "Change params only inside the loop over the steps."},
    {"ignores_steps", "The host may prescribe the number of steps: mn_task_steps tells it.",
     "Loop up to mn_task_steps(ctx, task, steps)."},
    {"does_not_descend", "On a small convex problem the loss must fall.",
     "Check the sign of the step and which gradient goes where; and that the defaults are not so "
     "large that it diverges."},
    {"call_order",
     "Each step draws a mini-batch, runs the model and ends with mn_step_done; steps count from "
     "0.",
     "Follow the order in <metanas/task_learner.h>."},
    {"hides_numeric", "A pass that failed must end the call with the same status.",
     "Return the status of every service at once."},
    {"ignores_cancel",
     "After MN_CANCELLED from mn_step_done nothing more is computed, so that a run stops in time.",
     "Return the status of mn_step_done at once."},
    {"batch_size", "Memory is planned for max_batch images: no mini-batch or pass may be larger.",
     "Return the largest batch from max_batch, 0 for the whole support set, -n for that or n."},
    {"adapts", "`adapts` tells what a task changes; the host zeroes the meta-gradient of the rest.",
     "Let adapts follow the same conditions as the update."},
    {"plan", "n_state, moments, max_batch, adapts and steps answer within their ranges.",
     "See <metanas/task_learner.h> and <metanas/meta_learner.h>."},
    {"pass", "An argument of a service is not valid.", "See <metanas/model.h>."},
    {"no_architecture", "A model without architecture has n_a = 0 and a = NULL.",
     "Ask for d_a and change a only where n_a > 0, or refuse with MN_UNSUPPORTED."},
    {"rates", "A meta learner may have learned a factor for every element of every update.",
     "Ask mn_step_rates in each step, and add factor * (what you would add without it) to the "
     "parameters."},
    {"shape", "A meta learner may decide where an update leads.",
     "For the halves that mn_shapes names, hand the update (times the factors) to mn_shape; in "
     "adjoint, mn_shape_back comes before your own derivative."},
    {"shape_back", "shape_back is the transposed Jacobian of shape.",
     "Derive it again: `after` depends on x and on u, also through what is computed of them."},
    {"adjoint",
     "adjoint takes a gradient from after a step to before it: the transposed Jacobian of the "
     "step, with momentum and other state.",
     "Derive it again from the update; mind the gradient's own dependence on the point (its "
     "Hessian), d_state and the factors."},
    {"first_order", "With MN_ADJOINT_FIRST_ORDER the updates count as constants: d is left alone.",
     "Write d_rates, and return before anything else."},
    {"fixed_point", "Without a direction the meta point stays where it is.",
     "Add nothing that does not come from mean_delta."},
    {"wrong_direction", "delta is a direction of descent, and update follows it.",
     "update subtracts: meta -= rate * mean_delta. Check the signs of both functions."},
    {"hidden_state",
     "A run that is saved and resumed must end as one that went on. What update remembers belongs "
     "into mn_state, which the host saves.",
     "Claim the memory in start with mn_state; keep counters there too, as a state of one."},
    {"state_claim", "States are claimed in start, each once, with a name and a length.",
     "See mn_state in <metanas/host.h>."},
    {"nested",
     "A nested unit that is entered is left before the call returns, and ctx->host is what it was.",
     "Use MN_NESTED of <metanas/host.h>; put ctx->host back after it."},
    {"not_entered",
     "A nested unit is called as itself: its messages, its memory, its state and its metrics have "
     "its own name.",
     "Use MN_NESTED of <metanas/host.h> for its functions that take ctx."},
    {"metric", "Names of reported numbers are like those of options.",
     "See mn_metric in <metanas/host.h>."},
    /* ---- data sets ------------------------------------------------------------------------ */
    {"describe", "The shape and counts of a data set are positive and stay the same.",
     "Compute them in start, and only report them in describe."},
    {"labels", "Labels are 0 to ways - 1, class by class, the same number of images for each.",
     "Write label c for every image of the c-th class drawn."},
    {"classes", "The classes of a task are distinct classes of its split.",
     "Draw without replacement, and write them into `classes`."},
    {"overlap", "No image is both in the support and in the query set: accuracy would be wrong.",
     "Draw support and query images of a class together, without replacement."},
    {"same_task", "Tasks with different numbers are the same.",
     "Draw from mn_rng_start(ctx, MN_RNG_CLASSES) and MN_RNG_SAMPLES, which hang on ctx->where."},
    {"shared_images",
     "An image of a split is one of another split too: validation and test would measure what was "
     "trained on.",
     "Divide the classes before anything is drawn; draw from the classes of spec->split alone."},
    {"shared_classes", "A class of a split, with its images, is one of another split too.",
     "Divide the classes: each stands in one split."},
    {"lists", "Frozen lists of episodes need n_samples, class_name and image: all or none.",
     "Write the missing functions, or leave all three out; see <metanas/dataset.h>."},
    {"class_name",
     "A class has a printable name of one line, unique in its split, written as snprintf does.",
     "Return snprintf(out, size, ...) with the name that people know the class by."},
    {"samples", "`samples` tells which images of a class were drawn, and `image` gives the same.",
     "Let sample and image read an image by one function."},
    {"picture",
     "An image file of a user's own is prepared by the options alone; what cannot be read is "
     "refused with MN_IO and its name.",
     "Do not use what start prepares; return mn_fail(ctx, MN_IO, \"%s: ...\", picture->name)."},
    /* ---- search spaces -------------------------------------------------------------------- */
    {"unknown_state", "A layer takes states that exist already, so the network has no cycles.",
     "Use the states that builder calls gave, in order."},
    {"head", "A network has one head, which is its last layer.",
     "Call mn_build_head once, at the end."},
    {"layer_name", "Weights are named after layers and candidates after operations.",
     "Give every layer a name and every edge its candidates."},
    {"layer_flags", "Only the flags of enum mn_build_flag exist.", "See <metanas/search_space.h>."},
    {"ignores_builder", "When a builder call fails, build returns its status and stops.",
     "Check the status of every builder call."},
    {"model_refused", "The host cannot build this network.", "See the message."},
    /* ---- operations ----------------------------------------------------------------------- */
    {"op_shape", "shape tells channels, weights and room of an operation at a site, always alike.",
     "Compute it from the options and the site alone; return MN_UNSUPPORTED where the operation "
     "cannot stand. See <metanas/operation.h>."},
    {"op_maps", "maps tells stages of convolutions and pools that the host computes, always alike.",
     "Compute it from the options and the stride alone. The rules stand above struct mn_op_maps in "
     "<metanas/operation.h>."},
    {"op_weight", "Arrays of weights have names of their own, 1 to 4 dimensions and a fan-in.",
     "See struct mn_op_weight in <metanas/operation.h>; names pw and bn are the host's."},
    {"op_gradient", "backward gives the derivative of what forward computes.",
     "Derive it again; mind the stride, the borders and every path by which x reaches y."},
    {"head_weight", "Arrays of weights have names of their own, 1 to 4 dimensions and a fan-in.",
     "See struct mn_op_weight in <metanas/operation.h>."},
    {"head_gradient", "backward gives the derivative of what forward computes.",
     "Derive it again; mind that the support set is the batch where a pass names none: both parts "
     "of the gradient are written, each to its own array."},
    {"head_start",
     "start_back gives the derivative of what start computes of features and weights.",
     "Derive it again; a head that starts tasks has weights and `start`, and d_w is 0 for weights "
     "that start does not look at."},
    {"loss_weight", "Arrays of weights have names of their own, 1 to 4 dimensions and a fan-in.",
     "See struct mn_op_weight in <metanas/operation.h>."},
    {"loss_gradient", "value gives the loss and its derivative by the logits and by its weights.",
     "Derive it again; the loss is a mean over the images, and so is its gradient."},
    {"loss_teacher", "teacher is one of enum mn_teacher.", "See <metanas/loss.h>."},
    {"op_added", "Blocks of a batch share weights, so backward adds to d_w.",
     "Use += instead of =."},
    {"op_wanted", "dx and d_w are each NULL where they are not wanted.",
     "Test both pointers, and compute either without the other."},
    {"op_images",
     "The host cuts a batch into blocks as it likes, so an image must give the same alone and "
     "among others.",
     "Keep nothing from image to image and from call to call: what backward needs belongs into "
     "saved. Statistics of the batch are the host's batch norm."},
    /* ---- the kit itself ------------------------------------------------------------------- */
    {"memory", "The checks themselves ran out of memory.", "Free memory and try again."},
    {"kit", "An error of the checks themselves.", "Report it with the plugin that shows it."},
};

const char *kit_rule_function(const char *name) {
    static const char *const functions[][2] = {
        {"gradient", "backward"},
        {"gradient_not_added", "backward"},
        {"op_gradient", "backward"},
        {"head_gradient", "backward"},
        {"head_start", "start_back"},
        {"loss_gradient", "value"},
        {"op_added", "backward"},
        {"op_wanted", "backward"},
        {"op_images", ""},
        {"adjoint", "adjoint"},
        {"first_order", "adjoint"},
        {"not_repeatable", ""},
        {"thread_race", ""},
        {"leak", ""},
        {"descriptors", ""},
        {"threads_left", ""},
        {"wrong_direction", ""},
        {"hidden_state", ""},
        {"same_task", "sample"},
        {"shared_images", "sample"},
        {"shared_classes", "class_name"},
        {"kit", ""},
        {"memory", ""},
    };
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        if (strcmp(functions[i][0], name) == 0) {
            return functions[i][1];
        }
    }
    return NULL;
}

const struct kit_rule *kit_rule_find(const char *name) {
    static const struct kit_rule unknown = {"kit", "An error of the checks themselves.",
                                            "Report it with the plugin that shows it."};
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        if (strcmp(rules[i].name, name) == 0) {
            return &rules[i];
        }
    }
    return &unknown;
}
