// Prints the help of a command without initializing the libraries, which takes ten times as long.
//
// The texts in Help/ are what the argument parser prints at 80 columns; HelpTests compares and renews them.
#if defined(__linux__)
#include "Help.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#pragma clang diagnostic ignored "-Wc23-extensions"
#include "HelpTexts.h"

static const char *value_of(char **environment, const char *name) {
    const size_t length = strlen(name);
    for (; *environment != NULL; environment++)
        if (strncmp(*environment, name, length) == 0 && (*environment)[length] == '=') return *environment + length + 1;
    return NULL;
}

/// Whether lines of 80 characters fit.
static int is_wide(char **environment) {
    const char *columns = value_of(environment, "COLUMNS");
    if (columns != NULL) return atoi(columns) >= 80;
    struct winsize size;
    return !isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_col >= 80;
}

static void print(const unsigned char *text, size_t size) {
    while (size > 0) {
        const ssize_t written = write(STDOUT_FILENO, text, size);
        if (written <= 0) _exit(1);
        text += written;
        size -= (size_t)written;
    }
    _exit(0);
}

void print_help(int count, char **arguments, char **environment) {
    if (count < 1 || value_of(environment, "WAV2VEC2_HELP") != NULL || !is_wide(environment)) return;
    // The words of the command: those before --help, or those after help.
    int first = 1, end = count;
    if (count > 1 && strcmp(arguments[1], "help") == 0) {
        first = 2;
    } else if (count > 1) {
        if (strcmp(arguments[count - 1], "--help") != 0 && strcmp(arguments[count - 1], "-h") != 0) return;
        end = count - 1;
    }
    char name[128] = "";
    for (int i = first; i < end; i++) {
        if (strlen(name) + strlen(arguments[i]) + 2 > sizeof name) return;
        if (i > first) strcat(name, " ");
        strcat(name, arguments[i]);
    }
    for (size_t i = 0; i < sizeof help_texts / sizeof *help_texts; i++)
        if (strcmp(help_texts[i].name, name) == 0) print(help_texts[i].text, help_texts[i].size);
}
#endif
