#include <stdio.h>
#include <string.h>

/* Counts lines, words and bytes of its input. */
int main(int argc, char **argv)
{
    long lines = 0, words = 0, bytes = 0;
    int c, inside = 0;

    if (argc > 1 && strcmp(argv[1], "--version") == 0) {
        puts("count " VERSION);
        return 0;
    }
    if (argc > 1) {
        puts("usage: count < FILE");
        return strcmp(argv[1], "--help") != 0;
    }
    while ((c = getchar()) != EOF) {
        bytes++;
        lines += c == '\n';
        int blank = c == ' ' || c == '\n' || c == '\t';
        words += !blank && !inside;
        inside = !blank;
    }
    printf("%ld %ld %ld\n", lines, words, bytes);
    return 0;
}
