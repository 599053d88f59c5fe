// A shared library of the kernels in a process of its own, for a CPU that is perhaps emulated.
// Driven by src/aivm/testing/foreign.py; the protocol stands in guest.mjs.
//
//   guest LIBRARY.so
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

typedef int32_t run_function(void *, const void *, const void *, void *, int32_t, int32_t);

static void get(void *to, size_t size) {
    if (size && fread(to, 1, size, stdin) != size) exit(0);  // the parent is gone
}

static int64_t number(void) {
    int64_t value;
    get(&value, sizeof value);
    return value;
}

static void say(int64_t value) { fwrite(&value, sizeof value, 1, stdout); }

static void *find(void *library, const char *name) {
    void *found = dlsym(library, name);
    if (found == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        exit(1);
    }
    return found;
}

int main(int count, char **arguments) {
    static const char *constants[] = {
        "aivm_panel_columns", "aivm_matmul_scratch_bytes", "aivm_bytes_group",
        "aivm_bytes_scratch_rows", "aivm_canary",
    };
    void *library = count == 2 ? dlopen(arguments[1], RTLD_NOW) : NULL;
    if (library == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        return 1;
    }
    run_function *run = (run_function *)find(library, "aivm_run");
    for (size_t i = 0; i < sizeof constants / sizeof *constants; i++)
        say(((int32_t(*)(void))find(library, constants[i]))());
    fflush(stdout);
    void *block = NULL;
    for (size_t size = 0;;) {
        if (number() == 1) {
            free(block);
            size = (size_t)number();
            if (posix_memalign(&block, 64, size ? size : 1)) return 1;
            say((int64_t)(intptr_t)block);
        } else {
            intptr_t state = (intptr_t)number(), tape = (intptr_t)number();
            intptr_t end = (intptr_t)number(), scratch = (intptr_t)number();
            get(block, size);
            say(run((void *)state, (void *)tape, (void *)end, (void *)scratch, 0, 1));
            fwrite(block, 1, size, stdout);
        }
        fflush(stdout);
    }
}
