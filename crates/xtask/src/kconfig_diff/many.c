/*
 * Many runs of scripts/kconfig/conf after one reading of the Kconfig files, which is nine tenths of each run.
 *
 * Linked with conf's own objects; conf.c is compiled with -Dmain=conf_main, and --wrap=conf_parse leads its call here.
 * The Kconfig files are read once, by conf's own code, with the environment and the working folder this program was
 * started with. Then each request becomes a fork that runs conf's main() as it stands. What reading printed is printed
 * again by each.
 *
 * A request on standard input: a 32-bit length in the machine's byte order and so many bytes, which are texts ended by
 * NUL: working folder, files for standard input, output and error, the number of arguments, the arguments, and
 * NAME=value of what the environment has beside ours. The reply on standard output: the 32-bit status of wait(2). One
 * reply of zero says that the Kconfig files are read.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define REQUEST_LIMIT (1 << 20)

int conf_main(int argc, char **argv);
void __real_conf_parse(const char *name);
void __wrap_conf_parse(const char *name);

static char *said[2];
static size_t said_length[2];

static void give_up(const char *what)
{
	perror(what);
	_exit(99);
}

/* In the place of conf_parse() in each fork. */
void __wrap_conf_parse(const char *name)
{
	size_t done = 0;

	(void)name;
	fwrite(said[0], 1, said_length[0], stdout);
	while (done < said_length[1]) {
		ssize_t count = write(STDERR_FILENO, said[1] + done, said_length[1] - done);

		if (count <= 0)
			break;
		done += count;
	}
}

static void read_kconfig(void)
{
	int files[2], at;

	for (at = 0; at < 2; at++) {
		files[at] = memfd_create("said", MFD_CLOEXEC);
		if (files[at] < 0 || dup2(files[at], STDOUT_FILENO + at) < 0)
			give_up("memfd_create");
	}
	__real_conf_parse("Kconfig");
	fflush(stdout);
	for (at = 0; at < 2; at++) {
		off_t length = lseek(files[at], 0, SEEK_END);

		said[at] = malloc(length + 1);
		if (!said[at] || pread(files[at], said[at], length, 0) != length)
			give_up("pread");
		said_length[at] = length;
		close(files[at]);
	}
}

static int read_all(int file, void *buffer, size_t length)
{
	size_t done = 0;

	while (done < length) {
		ssize_t count = read(file, (char *)buffer + done, length - done);

		if (count <= 0)
			return 0;
		done += count;
	}
	return 1;
}

static void replace(int file, const char *path, int flags)
{
	int opened = open(path, flags, 0644);

	if (opened < 0 || dup2(opened, file) < 0)
		give_up(path);
	close(opened);
}

static char *next(char **at, char *end)
{
	char *text = *at;

	if (text >= end)
		give_up("a request is too short");
	*at += strlen(text) + 1;
	return text;
}

static void serve(char *at, char *end)
{
	char *folder = next(&at, end), *input = next(&at, end), *output = next(&at, end), *error = next(&at, end);
	int argc = atoi(next(&at, end)), number;
	char **argv = calloc(argc + 1, sizeof(char *));

	for (number = 0; number < argc; number++)
		argv[number] = next(&at, end);
	while (at < end)
		putenv(next(&at, end));
	if (chdir(folder))
		give_up(folder);
	replace(STDIN_FILENO, input, O_RDONLY);
	replace(STDOUT_FILENO, output, O_WRONLY | O_CREAT | O_TRUNC);
	replace(STDERR_FILENO, error, O_WRONLY | O_CREAT | O_TRUNC);
	exit(conf_main(argc, argv));
}

int main(void)
{
	static char request[REQUEST_LIMIT + 1];
	int requests = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 10);
	int replies = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 10);
	int32_t status = 0;
	uint32_t length;

	if (requests < 0 || replies < 0)
		give_up("fcntl");
	replace(STDIN_FILENO, "/dev/null", O_RDONLY);
	read_kconfig();
	do {
		pid_t child;

		if (write(replies, &status, sizeof(status)) != sizeof(status))
			break;
		if (!read_all(requests, &length, sizeof(length)) || length > REQUEST_LIMIT)
			break;
		if (!read_all(requests, request, length))
			break;
		request[length] = 0;
		child = fork();
		if (child < 0)
			give_up("fork");
		if (!child) {
			close(requests);
			close(replies);
			serve(request, request + length);
		}
		if (waitpid(child, &status, 0) != child)
			give_up("waitpid");
	} while (1);
	return 0;
}
