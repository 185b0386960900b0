/* SPDX-License-Identifier: MIT
 *
 * Runs a fuzz harness without a fuzzer: run_corpus FOLDER... gives it every file of the folders,
 * and of each file every prefix and a bounded number of changed copies, the same ones in every
 * run. Each input lies in memory of exactly its size, so that the sanitizers see a byte too far.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FILE_MAX (1 << 20)
#define PREFIX_MAX 2048 /* prefixes of a longer file are taken at even steps */
#define CHANGES 1024    /* changed copies of each file */

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static uint64_t state;

/* A linear congruence with the high half taken: the same copies in every run. */
static uint32_t next_random(void) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 32);
}

static void run(const uint8_t *p, size_t n) {
    uint8_t *exact = malloc(n ? n : 1);
    if (!exact) abort();
    memcpy(exact, p, n);
    LLVMFuzzerTestOneInput(exact, n);
    free(exact);
}

static void run_prefixes(const uint8_t *p, size_t n) {
    size_t step = n / PREFIX_MAX + 1;
    for (size_t k = 0; k < n; k += step)
        run(p, k);
}

static void run_changes(uint8_t *p, size_t n) {
    static const uint8_t telling[] = {0,   '"', '\\', '{', '}',  '[',  ']',  ',',  ':',  '-',
                                      '0', '9', '\n', ' ', 0x7f, 0x80, 0xc0, 0xed, 0xf4, 0xff};
    state = 1;
    for (int i = 0; n > 0 && i < CHANGES; i++) {
        size_t at = next_random() % n;
        uint8_t was = p[at];
        switch (next_random() % 3) {
        case 0:
            p[at] ^= (uint8_t)(1u << next_random() % 8);
            break;
        case 1:
            p[at] = (uint8_t)next_random();
            break;
        default:
            p[at] = telling[next_random() % sizeof telling];
        }
        run(p, n);
        p[at] = was;
    }
}

static int run_file(const char *path) {
    FILE *f = fopen(path, "rb");
    uint8_t *p = malloc(FILE_MAX);
    if (!f || !p) {
        perror(path);
        exit(1);
    }
    size_t n = fread(p, 1, FILE_MAX, f);
    fclose(f);
    run(p, n);
    run_prefixes(p, n);
    run_changes(p, n);
    free(p);
    return 1;
}

static int run_folder(const char *folder) {
    DIR *dir = opendir(folder);
    if (!dir) {
        perror(folder);
        exit(1);
    }
    int files = 0;
    for (struct dirent *e; (e = readdir(dir));) {
        char path[4096];
        struct stat st;
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        if (stat(path, &st) == 0 && S_ISREG(st.st_mode)) files += run_file(path);
    }
    closedir(dir);
    if (files == 0) {
        fprintf(stderr, "%s: no files\n", folder);
        exit(1);
    }
    return files;
}

int main(int argc, char **argv) {
    int files = 0;
    if (argc < 2) {
        fprintf(stderr, "usage: %s FOLDER...\n", argv[0]);
        return 2;
    }
    for (int i = 1; i < argc; i++)
        files += run_folder(argv[i]);
    printf("%d passed, 0 failed\n", files);
    return 0;
}
