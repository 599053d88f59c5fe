// Runs tapes under a sanitizer: every buffer, the tape and each worker's scratch is an allocation of
// its own and of exactly its size, so that nothing outside them can be touched unnoticed.
//
//   replay FILE        (written by fuzz/sanitize.py)   status 0: all results are as expected
//
// FILE is a run of 64-bit words, one case after another; bytes are padded to whole words:
//   number, whether it is a fault, workers, scratch bytes, buffers,
//   for each buffer:  its bytes, whether content follows, content
//   words before the first step of an inference, words of the tape, the tape,
//   fix-ups,          for each: position in the tape, buffer to add the address of
//   results,          for each: buffer, byte offset, bytes, content
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tape.h"

int32_t aivm_run(run_state *, const int64_t *, const int64_t *, char *, int32_t, int32_t);

typedef struct {
    const int64_t *at, *end;
} reader;

static int64_t next(reader *r) {
    if (r->at >= r->end) abort();
    return *r->at++;
}

static const char *next_bytes(reader *r, int64_t bytes) {
    const char *found = (const char *)r->at;
    r->at += (bytes + 7) / 8;
    if (r->at > r->end) abort();
    return found;
}

static char *exactly(int64_t bytes) {
    void *block = NULL;
    if (posix_memalign(&block, 64, bytes > 0 ? (size_t)bytes : 1)) abort();
    return block;
}

typedef struct {
    run_state *state;
    const int64_t *tape, *end;
    int64_t scratch_bytes;
    int32_t worker, workers, stopped;
} job;

static void *work(void *argument) {
    job *j = argument;
    char *scratch = exactly(j->scratch_bytes);
    j->stopped = aivm_run(j->state, j->tape, j->end, scratch, j->worker, j->workers);
    free(scratch);
    return NULL;
}

static int run(const int64_t *tape, const int64_t *end, int64_t scratch_bytes, int32_t workers) {
    run_state state;
    pthread_t threads[16];
    job jobs[16];
    memset(&state, 0, sizeof state);
    for (int32_t w = 0; w < workers; w++) {
        jobs[w] = (job){&state, tape, end, scratch_bytes, w, workers, 0};
        if (w > 0 && pthread_create(&threads[w], NULL, work, &jobs[w])) abort();
    }
    work(&jobs[0]);
    for (int32_t w = 1; w < workers; w++) pthread_join(threads[w], NULL);
    return jobs[0].stopped;
}

static int replay(reader *r) {
    int64_t number = next(r), fault = next(r);
    int64_t workers = next(r), scratch_bytes = next(r), count = next(r);
    printf("program %lld\n", (long long)number);
    fflush(stdout);
    if (workers < 1 || workers > 16) abort();
    char **buffers = calloc((size_t)count + 1, sizeof *buffers);
    for (int64_t b = 0; b < count; b++) {
        int64_t bytes = next(r), given = next(r);
        buffers[b] = exactly(bytes);
        if (given) memcpy(buffers[b], next_bytes(r, bytes), (size_t)bytes);
    }
    int64_t setup = next(r), words = next(r);
    int64_t *tape = (int64_t *)exactly(words * 8);
    memcpy(tape, next_bytes(r, words * 8), (size_t)words * 8);
    for (int64_t fixes = next(r); fixes > 0; fixes--) {
        int64_t position = next(r);
        tape[position] += (int64_t)(intptr_t)buffers[next(r)];
    }
    int stopped = run(tape, tape + setup, scratch_bytes, (int32_t)workers);
    for (int again = 0; again < 2 && !stopped; again++)
        stopped = run(tape + setup, tape + words, scratch_bytes, (int32_t)workers);
    int wrong = stopped != fault;
    if (wrong) fprintf(stderr, stopped ? "the run stopped\n" : "the fault was not found\n");
    for (int64_t results = next(r); results > 0; results--) {
        const char *found = buffers[next(r)];
        found += next(r);
        int64_t bytes = next(r);
        if (!stopped && memcmp(found, next_bytes(r, bytes), (size_t)bytes)) {
            fprintf(stderr, "a result is not as expected\n");
            wrong = 1;
        }
    }
    for (int64_t b = 0; b < count; b++) free(buffers[b]);
    free(buffers);
    free(tape);
    return wrong;
}

int main(int argc, char **argv) {
    FILE *file = argc == 2 ? fopen(argv[1], "rb") : NULL;
    if (file == NULL || fseek(file, 0, SEEK_END)) return 2;
    int64_t bytes = ftell(file);
    rewind(file);
    int64_t *words = (int64_t *)exactly(bytes);
    if (fread(words, 1, (size_t)bytes, file) != (size_t)bytes) return 2;
    fclose(file);
    reader r = {words, words + bytes / 8};
    int wrong = 0;
    while (!wrong && r.at < r.end) wrong = replay(&r);
    free(words);
    return wrong;
}
