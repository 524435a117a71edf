// Printing of help before libraries are initialized.
#ifndef CSTART_HELP_H
#define CSTART_HELP_H

/// Prints the help that a command line asks for and ends the process; returns if it asks for anything else.
void print_help(int count, char **arguments, char **environment);

#endif
