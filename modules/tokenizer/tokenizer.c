// BERT's uncased WordPiece tokeniser, as tokenizers 0.23.3 computes it.
//
//     tokenize(vocabulary U8[n], text U8[m]) -> input_ids I64[1, t], attention_mask I64[1, t],
//     tokenize(vocabulary, text, max_tokens I64[])                   token_type_ids I64[1, t]
//
// `vocabulary` is BERT's vocab.txt, `text` is UTF-8. With `max_tokens` (2 or more) the text is cut
// so that t is at most that; without, nothing is cut. Nothing is padded.
#include "aivm_module.h"
#include "vocabulary.h"
#include "words.h"

static const char *const SPECIAL[] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
enum { SPECIALS = sizeof SPECIAL / sizeof *SPECIAL, UNKNOWN = 1, FIRST = 2, LAST = 3, OUTPUTS = 3 };

struct tokens {
    struct vocabulary vocabulary;
    int64_t special[SPECIALS];
    int64_t *ids;
    uint64_t count;
    uint64_t limit; // of `ids`; what comes later is cut off
};

static void add(struct tokens *t, int64_t id) {
    if (t->count < t->limit)
        t->ids[t->count++] = id;
}

// The longest token that begins the word at `start`; its end, or 0 if there is none.
static uint32_t
longest_piece(const struct vocabulary *v, const uint8_t *word, uint32_t start, uint32_t size, int64_t *id) {
    const char *prefix = start ? "##" : "";
    uint32_t hash = HASH_START, hashes[WORD_BYTES];
    for (const char *p = prefix; *p; p++)
        hash = hash_byte(hash, (uint8_t)*p);
    uint32_t end = start;
    while (end < size && end - start < v->longest) {
        hash = hash_byte(hash, word[end]);
        hashes[end++] = hash;
    }
    for (; end > start; end--) {
        if (end < size && (word[end] & 0xC0) == 0x80)
            continue; // inside a character
        *id = vocabulary_find(v, hashes[end - 1], prefix, word + start, end - start);
        if (*id != NO_TOKEN)
            return end;
    }
    return 0;
}

// A word that is not made of tokens altogether is unknown altogether.
static void add_word(void *context, const uint8_t *word, uint32_t size, bool too_long) {
    struct tokens *t = context;
    int64_t pieces[WORD_BYTES];
    uint32_t count = 0, start = 0;
    while (!too_long && start < size) {
        uint32_t end = longest_piece(&t->vocabulary, word, start, size, &pieces[count++]);
        if (end == 0)
            break;
        start = end;
    }
    if (too_long || start < size) {
        add(t, t->special[UNKNOWN]);
        return;
    }
    for (uint32_t i = 0; i < count; i++)
        add(t, pieces[i]);
}

// Which special token the text begins with; its length, or 0.
static uint32_t special_at(const uint8_t *text, uint32_t left, uint32_t *which) {
    for (uint32_t i = 0; text[0] == '[' && i < SPECIALS; i++) {
        uint32_t size = 0;
        while (SPECIAL[i][size] && size < left && text[size] == (uint8_t)SPECIAL[i][size])
            size++;
        if (SPECIAL[i][size] == 0) {
            *which = i;
            return size;
        }
    }
    return 0;
}

// False if the text is not UTF-8.
static bool add_text(struct tokens *t, const uint8_t *text, uint32_t size) {
    static struct words words;
    words.context = t;
    words.emit = add_word;
    uint32_t used;
    for (uint32_t at = 0; at < size; at += used) {
        uint32_t which, code_point;
        used = special_at(text + at, size - at, &which);
        if (used) {
            words_end(&words);
            add(t, t->special[which]);
            continue;
        }
        used = utf8_decode(text + at, size - at, &code_point);
        if (used == 0)
            return false;
        words_take(&words, code_point);
    }
    words_end(&words);
    return true;
}

static const char *prepare(struct tokens *t, const struct aivm_tensor *inputs, uint32_t count) {
    if (count < 2 || count > 3)
        return "it takes a vocabulary, a text and perhaps a limit";
    for (uint32_t i = 0; i < 2; i++)
        if (inputs[i].dtype != AIVM_U8 || inputs[i].rank != 1)
            return "vocabulary and text must be bytes, U8[n]";
    t->limit = (uint64_t)inputs[1].size + 2; // no token is shorter than a byte
    if (count == 3) {
        if (inputs[2].dtype != AIVM_I64 || inputs[2].rank != 0)
            return "the limit must be one I64";
        int64_t limit = *(const int64_t *)inputs[2].data;
        if (limit < 2)
            return "the limit must be 2 tokens or more";
        if ((uint64_t)limit < t->limit)
            t->limit = (uint64_t)limit;
    }
    if (!vocabulary_index(&t->vocabulary, inputs[0].data, inputs[0].size))
        return "there is no memory for the vocabulary";
    for (uint32_t i = 0; i < SPECIALS; i++) {
        t->special[i] = vocabulary_literal(&t->vocabulary, SPECIAL[i]);
        if (t->special[i] == NO_TOKEN)
            return "the vocabulary lacks one of [PAD] [UNK] [CLS] [SEP] [MASK]";
    }
    uint64_t bytes = t->limit * sizeof(int64_t);
    t->ids = bytes >> 32 ? NULL : aivm_alloc((uint32_t)bytes);
    return t->ids == NULL ? "there is no memory for that many tokens" : NULL;
}

static struct aivm_tensor row(const int64_t *data, uint64_t count) {
    struct aivm_tensor tensor = {.dtype = AIVM_I64, .rank = 2, .data = data};
    tensor.shape[0] = 1;
    tensor.shape[1] = (uint32_t)count;
    tensor.size = (uint32_t)(count * sizeof *data);
    return tensor;
}

AIVM_EXPORT(tokenize)
const struct aivm_result *tokenize(const struct aivm_tensor *inputs, uint32_t count) {
    static struct tokens t;
    static struct aivm_tensor outputs[OUTPUTS];
    static struct aivm_result result = {.tensors = outputs, .count = OUTPUTS};
    const char *refusal = prepare(&t, inputs, count);
    if (refusal)
        return aivm_refuse(refusal);
    add(&t, t.special[FIRST]);
    t.limit--; // room for the last one
    if (!add_text(&t, inputs[1].data, inputs[1].size))
        return aivm_refuse("the text is not UTF-8");
    t.limit++;
    add(&t, t.special[LAST]);
    uint32_t bytes = (uint32_t)(t.count * sizeof(int64_t));
    int64_t *mask = aivm_alloc(bytes), *types = aivm_alloc(bytes);
    if (mask == NULL || types == NULL)
        return aivm_refuse("there is no memory for that many tokens");
    for (uint64_t i = 0; i < t.count; i++)
        mask[i] = 1;
    outputs[0] = row(t.ids, t.count);
    outputs[1] = row(mask, t.count);
    outputs[2] = row(types, t.count);
    return &result;
}
