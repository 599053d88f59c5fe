// The imports of wasi-nn, as its witx description gives them to C.
#pragma once
#include <stdint.h>

#define WASI_NN(name) __attribute__((import_module("wasi_ephemeral_nn"), import_name(name)))

enum nn_type { NN_F16, NN_F32, NN_F64, NN_U8, NN_I32, NN_I64 };
enum nn_encoding { NN_OPENVINO, NN_ONNX, NN_TENSORFLOW, NN_PYTORCH, NN_TENSORFLOWLITE };
enum nn_target { NN_CPU, NN_GPU, NN_TPU };

struct nn_builder {
    const uint8_t *data;
    uint32_t size;
};

struct nn_tensor {
    const uint32_t *dimensions;
    uint32_t rank;
    uint8_t type;
    const uint8_t *data;
    uint32_t size;
};

WASI_NN("load")
uint32_t nn_load(const struct nn_builder *, uint32_t count, uint32_t encoding, uint32_t target, uint32_t *graph);
WASI_NN("load_by_name") uint32_t nn_load_by_name(const char *name, uint32_t size, uint32_t *graph);
WASI_NN("init_execution_context") uint32_t nn_context(uint32_t graph, uint32_t *context);
WASI_NN("set_input") uint32_t nn_set_input(uint32_t context, uint32_t index, const struct nn_tensor *);
WASI_NN("compute") uint32_t nn_compute(uint32_t context);
WASI_NN("get_output")
uint32_t nn_get_output(uint32_t context, uint32_t index, void *buffer, uint32_t room, uint32_t *written);
