// Module interface 1: what a module exports, and how tensors cross its border.
//
// A module imports nothing. It exports its memory, aivm_abi_1 (a mark, never called), aivm_alloc
// and its entry: const struct aivm_result *entry(const struct aivm_tensor *inputs, uint32_t count).
// Every call happens in a fresh instance, so memory is never given back.
#pragma once
#include <stddef.h>
#include <stdint.h>

#define AIVM_EXPORT(name) __attribute__((export_name(#name), visibility("default")))

enum aivm_dtype {
    AIVM_F32 = 1,
    AIVM_F16 = 2,
    AIVM_BF16 = 3,
    AIVM_BOOL = 8,
    AIVM_U8 = 9,
    AIVM_I8 = 10,
    AIVM_U16 = 11,
    AIVM_I16 = 12,
    AIVM_U32 = 13,
    AIVM_I32 = 14,
    AIVM_U64 = 15,
    AIVM_I64 = 16,
};

// Row-major little-endian elements; unused dimensions are 0, `size` is in bytes.
struct aivm_tensor {
    uint32_t dtype;
    uint32_t rank;
    uint32_t shape[8];
    const void *data;
    uint32_t size;
};

// Either `error` is a sentence (UTF-8, `error_size` bytes), or `tensors` are `count` outputs.
struct aivm_result {
    const char *error;
    uint32_t error_size;
    const struct aivm_tensor *tensors;
    uint32_t count;
};

// `size` zeroed bytes, aligned to 16; NULL where the memory cap does not allow them.
void *aivm_alloc(uint32_t size);

// A result that says why there is none; `sentence` is a string literal.
const struct aivm_result *aivm_refuse(const char *sentence);
