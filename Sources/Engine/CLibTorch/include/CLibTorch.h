// The one C boundary between Swift and LibTorch.
//
// Every function that can fail returns NULL on success, or a message to be freed with ct_free. No C++ exception and no
// C++ type crosses this boundary. Tensor handles are owned references: the caller must release each one that a function
// returns, once, with ct_tensor_release.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ct_tensor_opaque *ct_tensor;
typedef const struct ct_operator_opaque *ct_operator;
typedef struct ct_generator_opaque *ct_generator;
typedef struct ct_event_opaque *ct_event;
typedef struct ct_object_opaque *ct_object;
typedef struct ct_store_opaque *ct_store;
typedef struct ct_process_group_opaque *ct_process_group;
typedef struct ct_work_opaque *ct_work;
typedef struct ct_reducer_opaque *ct_reducer;
typedef struct ct_kernels_opaque *ct_kernels;
typedef struct ct_kernel_opaque *ct_kernel;
typedef struct ct_graph_opaque *ct_graph;
/// A message, or NULL for success.
typedef char *ct_error;

void ct_free(void *memory);

// MARK: Values

typedef enum ct_tag {
    CT_NONE = 0,
    CT_TENSOR,
    CT_INT,
    CT_DOUBLE,
    CT_BOOL,
    CT_STRING,
    CT_INT_LIST,
    CT_DOUBLE_LIST,
    CT_BOOL_LIST,
    CT_TENSOR_LIST,
    CT_OPTIONAL_TENSOR_LIST,
    CT_DTYPE,
    CT_DEVICE,
    CT_MEMORY_FORMAT,
    CT_GENERATOR,
    CT_OBJECT
} ct_tag;

/// One argument or result of an operator.
///
/// Lists point to `count` elements: int64_t, double, uint8_t or ct_tensor (NULL for an absent optional tensor). In
/// results the caller owns the tensors, and must free list storage and strings with ct_free. A device is its type in
/// the low and its index in the high 32 bits of `integer`.
typedef struct ct_value {
    int32_t tag;
    int64_t count;
    union {
        int64_t integer;
        double real;
        bool boolean;
        ct_tensor tensor;
        ct_generator generator;
        ct_object object;
        const void *pointer;
    } payload;
} ct_value;

// MARK: Operators

/// Finds an operator such as ("aten::add", "Tensor") once; the handle lives as long as the process.
ct_error ct_operator_find(const char *name, const char *overload, ct_operator *result);
/// Calls an operator boxed. Omitted trailing arguments take the schema's defaults.
ct_error ct_operator_call(
    ct_operator op, const ct_value *arguments, size_t argument_count, ct_value *results, size_t result_capacity,
    size_t *result_count);

// MARK: Tensors

void ct_tensor_release(ct_tensor tensor);
ct_tensor ct_tensor_retain(ct_tensor tensor);
/// The number of live handles in the process (for leak tests).
int64_t ct_live_handles(void);
int64_t ct_tensor_dimensions(ct_tensor tensor);
int64_t ct_tensor_size(ct_tensor tensor, int64_t dimension);
int64_t ct_tensor_stride(ct_tensor tensor, int64_t dimension);
int64_t ct_tensor_element_count(ct_tensor tensor);
int32_t ct_tensor_dtype(ct_tensor tensor);
int64_t ct_tensor_device(ct_tensor tensor);
bool ct_tensor_is_contiguous(ct_tensor tensor);
/// The address of the first element, or an error for tensors without host-visible storage.
ct_error ct_tensor_data(ct_tensor tensor, void **result);
/// A tensor over foreign host memory, without a copy; `release(context)` runs when the storage is freed.
ct_error ct_tensor_from_memory(
    void *data, const int64_t *sizes, size_t dimensions, int32_t dtype, void *context, void (*release)(void *),
    ct_tensor *result);

// MARK: Autograd

bool ct_tensor_requires_gradient(ct_tensor tensor);
bool ct_tensor_is_leaf(ct_tensor tensor);
ct_error ct_tensor_set_requires_gradient(ct_tensor tensor, bool value);
/// The accumulated gradient; NULL in `result` when there is none.
ct_error ct_tensor_gradient(ct_tensor tensor, ct_tensor *result);
/// Sets the gradient's tensor; NULL clears it.
ct_error ct_tensor_set_gradient(ct_tensor tensor, ct_tensor gradient);
ct_error ct_backward(const ct_tensor *roots, const ct_tensor *gradients, size_t count, bool retain_graph);
/// The gradients of the sum of `outputs` weighted by `output_gradients`; NULL where an input is unused.
ct_error ct_gradients(
    const ct_tensor *outputs, const ct_tensor *output_gradients, size_t output_count, const ct_tensor *inputs,
    size_t input_count, bool retain_graph, bool create_graph, ct_tensor *results);
/// Switches gradient recording for this thread and returns the previous state.
bool ct_set_gradient_enabled(bool enabled);
bool ct_gradient_enabled(void);

/// The backward pass of a function written in Swift.
///
/// `gradients` (borrowed, NULL where undefined) are those of the outputs; the callback fills `results` with owned
/// tensors or NULL, one per input; `needed` says which inputs want a gradient. It returns NULL or an error message.
typedef ct_error (*ct_backward_callback)(
    void *context, const ct_tensor *gradients, size_t gradient_count, const bool *needed, ct_tensor *results,
    size_t result_count);
/// Records a function in the graph: `outputs` were computed from `inputs` without recording, and `results` are the same
/// values with the function as their history. `release(context)` runs when the graph is freed, immediately if nothing
/// is recorded.
ct_error ct_function_record(
    const char *name, const ct_tensor *inputs, size_t input_count, const ct_tensor *outputs, size_t output_count,
    void *context, ct_backward_callback backward, void (*release)(void *), ct_tensor *results);
/// A hook sees the gradient of `tensor` (borrowed) and may store a replacement (owned) in `result`.
typedef ct_error (*ct_hook_callback)(void *context, ct_tensor gradient, ct_tensor *result);
ct_error ct_tensor_add_hook(
    ct_tensor tensor, void *context, ct_hook_callback hook, void (*release)(void *), int64_t *identifier);
ct_error ct_tensor_remove_hook(ct_tensor tensor, int64_t identifier);

/// Calls `hook(context)` whenever a gradient has been added to the leaf `tensor`; a NULL hook removes the current one.
typedef ct_error (*ct_accumulated_callback)(void *context);
ct_error ct_tensor_on_gradient_accumulated(
    ct_tensor tensor, void *context, ct_accumulated_callback hook, void (*release)(void *));

// MARK: Observation

typedef enum ct_observed {
    CT_OPERATOR_BEGINS = 0,
    CT_OPERATOR_ENDS,
    /// A function of a backward pass.
    CT_BACKWARD_BEGINS,
    CT_BACKWARD_ENDS
} ct_observed;
/// Called on the thread that does the work. For a backward function, `thread` and `sequence` identify where its forward
/// part ran, as ct_graph_position does; a function that accumulates a leaf's gradient has the sequence -1.
typedef void (*ct_observer)(ct_observed observed, const char *name, uint64_t thread, int64_t sequence);
/// Calls `observer` for every operator and every backward function, in all threads; NULL stops it.
ct_error ct_observe(ct_observer observer);
/// This thread's number, and the sequence number that the next function it records in a graph will have.
void ct_graph_position(uint64_t *thread, int64_t *sequence);
/// Waits until a device has finished all its work.
ct_error ct_device_synchronize(int64_t device);

/// All that a device did under one name: a kernel of a GPU, an operator of a CPU.
typedef struct ct_activity {
    char *name;
    int64_t count;
    /// The sum of their times; an operator's includes those that it calls.
    double seconds;
} ct_activity;
/// Records what a device does from now on; one recording at a time.
ct_error ct_activities_begin(int64_t device);
/// Ends the recording. The device must have finished its work, on the thread that began. The rows are freed by
/// ct_activities_free.
ct_error ct_activities_end(int64_t device, ct_activity **rows, size_t *count);
void ct_activities_free(ct_activity *rows, size_t count);

// MARK: Streams

/// A queue of a device's work.
typedef struct ct_stream {
    int64_t id;
    int64_t device;
} ct_stream;

/// A stream beside the device's standard one. LibTorch keeps a pool of them and hands them out in turn.
ct_error ct_stream_take(int64_t device, ct_stream *result);
/// The device's standard stream.
ct_error ct_stream_default(int64_t device, ct_stream *result);
/// This thread's current stream of a device.
ct_error ct_stream_current(int64_t device, ct_stream *result);
/// Makes a stream this thread's current one, and returns the previous one.
ct_error ct_stream_make_current(ct_stream stream, ct_stream *before);
/// An event that happens when a stream has done all work queued so far.
ct_error ct_event_record(ct_stream stream, ct_event *result);
/// Makes later work on this thread's current stream of the event's device wait for the event; the host does not wait.
ct_error ct_event_block(ct_event event);
/// Waits until the event has happened.
ct_error ct_event_wait(ct_event event);
void ct_event_release(ct_event event);
/// Keeps a tensor's memory from reuse, once it is freed, until this thread's current stream has done its work so far.
ct_error ct_tensor_use_on_current_stream(ct_tensor tensor);

// MARK: Random numbers

ct_error ct_generator_create(int64_t device, uint64_t seed, ct_generator *result);
/// The default generator, which operators use when no other is given.
ct_error ct_generator_default(int64_t device, ct_generator *result);
void ct_generator_release(ct_generator generator);
ct_error ct_generator_seed(ct_generator generator, uint64_t seed);
ct_error ct_generator_state(ct_generator generator, ct_tensor *result);
ct_error ct_generator_set_state(ct_generator generator, ct_tensor state);

// MARK: The meta device

/// Gives LibTorch's meta device the operators of a training step that it lacks; this cannot be undone within the process.
ct_error ct_complete_meta_device(void);

// MARK: Opaque objects of LibTorch's custom classes

void ct_object_release(ct_object object);

// MARK: Processes that work together

/// Connects to the store at `host`:`port`, and serves it too where `serves` is set; port 0 takes a free one.
ct_error ct_store_connect(
    const char *host, uint16_t port, bool serves, int64_t timeout_milliseconds, uint16_t *bound_port,
    ct_store *result);
void ct_store_release(ct_store store);
ct_error ct_store_set(ct_store store, const char *key, const void *bytes, size_t count);
/// Waits until `key` is set; the bytes are to be freed with ct_free.
ct_error ct_store_get(ct_store store, const char *key, int64_t timeout_milliseconds, void **bytes, size_t *count);
/// Adds to the number under `key`, which starts at 0, and returns the sum.
ct_error ct_store_add(ct_store store, const char *key, int64_t amount, int64_t *result);
ct_error ct_store_has(ct_store store, const char *key, bool *result);

typedef enum ct_reduction { CT_REDUCE_SUM = 0, CT_REDUCE_MAX, CT_REDUCE_MIN } ct_reduction;

/// Joins `size` processes that name the same `prefix` into a group for host tensors. Connections use the network
/// interface or, without one, the local address; if both are NULL, the address of the host name.
ct_error ct_process_group_gloo(
    ct_store store, const char *prefix, const char *interface, const char *address, int rank, int size,
    int64_t timeout_milliseconds, ct_process_group *result);
/// The same for the tensors of a GPU (NCCL), through libCLibTorchCUDA.so, which is found like the program's other
/// libraries.
ct_error ct_process_group_nccl(
    ct_store store, const char *prefix, int device, int rank, int size, int64_t timeout_milliseconds,
    ct_process_group *result);
void ct_process_group_release(ct_process_group group);
/// Each collective starts at once and ends with ct_work_wait; its tensors stay alive until then.
ct_error ct_all_reduce(ct_process_group group, ct_tensor tensor, ct_reduction reduction, ct_work *result);
/// The sum arrives at `root`; the other ranks' tensors are undefined afterward.
ct_error ct_reduce(ct_process_group group, ct_tensor tensor, int root, ct_work *result);
ct_error ct_broadcast(ct_process_group group, ct_tensor tensor, int root, ct_work *result);
/// `output` holds the ranks' `input`s concatenated.
ct_error ct_all_gather(ct_process_group group, ct_tensor output, ct_tensor input, ct_work *result);
/// `output` is this rank's part of the sum of all ranks' `input`s.
ct_error ct_reduce_scatter(ct_process_group group, ct_tensor output, ct_tensor input, ct_work *result);
/// Sends a tensor to one rank, which receives it under the same tag.
ct_error ct_send(ct_process_group group, ct_tensor tensor, int target, int tag, ct_work *result);
ct_error ct_receive(ct_process_group group, ct_tensor tensor, int source, int tag, ct_work *result);
ct_error ct_barrier(ct_process_group group, ct_work *result);
/// Waits for a collective; the error says what failed, including a timeout. Without a timeout (0), NCCL makes only the
/// current stream wait.
ct_error ct_work_wait(ct_work work, int64_t timeout_milliseconds);
/// Whether a collective has ended, well or not.
int ct_work_is_completed(ct_work work);
/// Calls `ended(context)` when the collective has ended, on one of the library's threads.
ct_error ct_work_on_end(ct_work work, void *context, void (*ended)(void *), void (*release)(void *));
void ct_work_release(ct_work work);

/// c10d's Reducer: the backward pass from a prepared output ends with the means of gradients over the group.
ct_error ct_reducer_make(
    ct_process_group group, const ct_tensor *parameters, size_t count, int64_t bucket_bytes, ct_reducer *result);
ct_error ct_reducer_prepare(ct_reducer reducer, ct_tensor output);
void ct_reducer_release(ct_reducer reducer);
/// Reads or sets the processors that the calling thread, and those that it starts, may use: a bit for each. Returns 0
/// unless the system refuses.
int ct_processors(uint8_t *bits, size_t bytes);
int ct_use_processors(const uint8_t *bits, size_t bytes);
/// Makes the system send `signal` to this process when its parent ends. (Swift cannot call prctl.)
void ct_end_with_parent(int signal);

// MARK: Run time

const char *ct_version(void);
/// LibTorch's build settings and libraries; to be freed.
char *ct_configuration(void);
/// The instruction set that the CPU kernels were selected for.
const char *ct_cpu_capability(void);
int ct_threads(void);
void ct_set_threads(int count);
/// Sets whether CUDA products of single-precision numbers may be rounded to TF32.
void ct_allow_tf32(bool allowed);
/// Sets whether CUDA products of half-precision numbers may add up their parts in half precision.
void ct_allow_reduced_sums(bool allowed);
bool ct_allows_reduced_sums(void);
/// From now on keeps the memory of large freed tensors for reuse.
void ct_reuse_host_memory(void);
/// Loads LibTorch's CUDA half; the error names what is missing.
ct_error ct_load_cuda(void);
int ct_cuda_device_count(void);
/// The peak memory of tensors on a GPU so far, in bytes.
ct_error ct_device_peak_memory(int64_t device, int64_t *bytes);
/// The bytes that tensors can still take: free ones, and those that the allocator keeps for later tensors.
ct_error ct_device_free_memory(int64_t device, int64_t *bytes);

// MARK: Work that is recorded

/// Attaches `context` to this thread's work, and to that of LibTorch's threads in its backward passes, until ct_scope_end.
ct_error ct_scope_begin(void *context);
void ct_scope_end(void);
/// The context of this thread's work; NULL for none.
void *ct_scope_context(void);

// MARK: Our own kernels on GPUs, through libCLibTorchCUDA.so, which is found like the program's other libraries

/// The compute capability of a GPU, ten times its major plus its minor number.
ct_error ct_cuda_capability(int device, int *result);
/// Compiles CUDA source for a GPU, or loads the result of an earlier compilation from `folder` under `name`; an empty
/// folder disables the cache. The kernels stay loaded as long as the process lives.
ct_error ct_cuda_load_kernels(int device, const char *source, const char *folder, const char *name, ct_kernels *result);
ct_error ct_cuda_find_kernel(ct_kernels kernels, const char *name, ct_kernel *result);
/// Launches a kernel on LibTorch's current stream. `arguments` are the addresses of the kernel's arguments, in order.
ct_error ct_cuda_launch(
    int device, ct_kernel kernel, int64_t grid_x, int64_t grid_y, int threads, int shared_bytes, void **arguments);

/// Prepares to record work on a GPU. The work may use the memory of another graph, `other`: then the result of one must
/// have been read before the other runs. Before large work runs or is recorded, memory that LibTorch keeps for reuse is
/// released.
ct_error ct_cuda_graph_prepare(int device, bool is_large, ct_graph other, ct_graph *result);
/// Runs this thread's work from here to ct_cuda_graph_end_rehearsal on the stream, and with the memory, of the later
/// recording. The stream that was current before waits for it.
ct_error ct_cuda_graph_begin_rehearsal(ct_graph graph);
ct_error ct_cuda_graph_end_rehearsal(ct_graph graph);
/// Records this thread's work from here to ct_cuda_graph_end instead of running it (a CUDA graph). Meanwhile nothing may
/// wait for the GPU or be copied from host memory. A recording that fails leaves streams and allocators as they were.
ct_error ct_cuda_graph_begin(ct_graph graph);
ct_error ct_cuda_graph_end(ct_graph graph);
/// Runs the recorded work on the current stream, with the same memory each time.
ct_error ct_cuda_graph_replay(ct_graph graph);
void ct_cuda_graph_release(ct_graph graph);

#ifdef __cplusplus
}
#endif
