// Classifies a picture of a digit: classify GRAPH [MODEL_BYTES] < input
//
// Standard input is one picture of 8 x 8 pixels, 64 little-endian floats; with MODEL_BYTES it is
// preceded by so many bytes of an ONNX file, which is used instead of a graph of that name.
#include "wasi_nn.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE = 8, PIXELS = SIDE * SIDE, CLASSES = 10 };

static void require(uint32_t error, const char *what) {
    if (error == 0)
        return;
    fprintf(stderr, "%s: wasi-nn error %u\n", what, error);
    exit(1);
}

static uint8_t *read_exactly(size_t size) {
    uint8_t *data = malloc(size);
    if (data == NULL || fread(data, 1, size, stdin) != size) {
        fprintf(stderr, "standard input is shorter than %zu bytes\n", size);
        exit(1);
    }
    return data;
}

static uint32_t load(const char *name, const char *model_bytes) {
    uint32_t graph;
    if (model_bytes == NULL) {
        require(nn_load_by_name(name, (uint32_t)strlen(name), &graph), "load_by_name");
    } else {
        size_t size = strtoul(model_bytes, NULL, 10);
        struct nn_builder builder = {read_exactly(size), (uint32_t)size};
        require(nn_load(&builder, 1, NN_ONNX, NN_CPU, &graph), "load");
    }
    return graph;
}

int main(int count, char **arguments) {
    if (count < 2) {
        fprintf(stderr, "usage: classify GRAPH [MODEL_BYTES] < input\n");
        return 2;
    }
    uint32_t context, written;
    require(nn_context(load(arguments[1], count > 2 ? arguments[2] : NULL), &context), "context");
    const uint32_t shape[] = {1, 1, SIDE, SIDE};
    struct nn_tensor picture = {shape, 4, NN_F32, read_exactly(PIXELS * 4), PIXELS * 4};
    require(nn_set_input(context, 0, &picture), "set_input");
    require(nn_compute(context), "compute");
    float scores[CLASSES];
    require(nn_get_output(context, 0, scores, sizeof scores, &written), "get_output");
    int best = 0;
    for (int i = 1; i < CLASSES; i++)
        if (scores[i] > scores[best])
            best = i;
    printf("%d %.4f\n", best, (double)scores[best]);
    return 0;
}
