// What every module of ours has: the mark of its interface, memory, and refusals.
#include "aivm_module.h"

enum { PAGE = 65536, ALIGNMENT = 16 };

extern unsigned char __heap_base;

static uint32_t next_free;

AIVM_EXPORT(aivm_abi_1) void aivm_abi_1(void) {}

// Fresh pages are zero, and nothing is ever given back.
AIVM_EXPORT(aivm_alloc) void *aivm_alloc(uint32_t size) {
    if (next_free == 0)
        next_free = ((uint32_t)(uintptr_t)&__heap_base + ALIGNMENT - 1) & -(uint32_t)ALIGNMENT;
    uint64_t end = (uint64_t)next_free + size;
    uint64_t have = (uint64_t)__builtin_wasm_memory_size(0) * PAGE;
    if (end > have) {
        uint64_t pages = (end - have + PAGE - 1) / PAGE;
        if (pages > PAGE || __builtin_wasm_memory_grow(0, (uint32_t)pages) == (size_t)-1)
            return NULL;
    }
    void *start = (void *)(uintptr_t)next_free;
    next_free = (uint32_t)((end + ALIGNMENT - 1) & -(uint64_t)ALIGNMENT);
    return start;
}

const struct aivm_result *aivm_refuse(const char *sentence) {
    static struct aivm_result result;
    result.error = sentence;
    while (sentence[result.error_size])
        result.error_size++;
    return &result;
}
