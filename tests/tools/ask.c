// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * ask [-i|-k] [-n COUNT] [-s SOURCE-PORT] [-t TIMEOUT-MS] tcp|udp|http ADDRESS[,ADDRESS] PORTS
 *
 * Asks COUNT times, each time by a new socket, going round the addresses and ports ("80,1000-2000"), and
 * prints how often each server answered: "NAME COUNT" lines. tcp and udp talk to tests/tools/echo and
 * check that their own question and port came back; http expects a 200 whose body starts with the name.
 * -k keeps one connection per address and port open and goes round those; -i too, asks once per line of
 * stdin and prints at once who answered, or "error: ..." after which the next line opens a new connection.
 * -s: from that port, without -k or -i each time from the next one, so that no flow is met twice.
 * What went wrong is counted by kind on stderr; exit status 1 if anything did.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define WORD_MAX 63
#define LIST_MAX 65536

enum protocol { TCP, UDP, HTTP };

struct tally {
	char word[WORD_MAX + 1];
	unsigned int count;
};

static enum protocol protocol;
static bool interactive, keep;
static unsigned int timeout_ms = 2000;
static uint16_t source_port;
static const char *addresses[16];
static unsigned int address_count;
static uint16_t ports[LIST_MAX];
static unsigned int port_count;
static struct tally answers[64], failures[64];

static void count(struct tally *tallies, const char *word)
{
	unsigned int i = 0;

	while (i < 63 && tallies[i].count && strcmp(tallies[i].word, word))
		i++;
	snprintf(tallies[i].word, sizeof(tallies[i].word), "%s", word);
	tallies[i].count++;
}

static socklen_t address_of(const char *text, uint16_t port, struct sockaddr_storage *ret)
{
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret;
	struct sockaddr_in *v4 = (struct sockaddr_in *)ret;

	memset(ret, 0, sizeof(*ret));
	if (strchr(text, ':')) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(port);
		if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1)
			return sizeof(*v6);
	} else {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		if (inet_pton(AF_INET, text, &v4->sin_addr) == 1)
			return sizeof(*v4);
	}
	fprintf(stderr, "ask: bad address \"%s\"\n", text);
	exit(2);
}

static int open_socket(const char *address, uint16_t port)
{
	struct sockaddr_storage to, from;
	socklen_t size = address_of(address, port, &to);
	struct timeval wait = { .tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000 };
	int fd = socket(to.ss_family, (protocol == UDP ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC,
			0);
	int error;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
	if (source_port) {
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
		address_of(strchr(address, ':') ? "::" : "0.0.0.0", source_port, &from);
		/* no TIME_WAIT here: the port is to be used again at once */
		if (protocol != UDP)
			setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){ .l_onoff = 1 },
				   sizeof(struct linger));
		if (bind(fd, (struct sockaddr *)&from, size))
			goto out;
		source_port += !keep;
	}
	if (!connect(fd, (struct sockaddr *)&to, size))
		return fd;
out:
	error = errno == EINPROGRESS ? ETIMEDOUT : errno;
	close(fd);
	return -error;
}

/* NULL, or what is wrong with the reply to `question`. */
static const char *check_echo(const char *reply, uint16_t port, const char *question,
			      char *ret_name)
{
	unsigned int got_port;
	char got[WORD_MAX + 1];

	if (sscanf(reply, "%63s %u %*s %63s", ret_name, &got_port, got) != 3)
		return "unreadable answer";
	if (got_port != port)
		return "answer of another port";
	return strcmp(got, question) ? "answer to another question" : NULL;
}

static const char *check_http(const char *reply, char *ret_name)
{
	const char *body = strstr(reply, "\r\n\r\n");

	if (strncmp(reply, "HTTP/1.1 200 ", 13))
		return "status is not 200";
	return body && sscanf(body, " %63s", ret_name) == 1 ? NULL : "no body";
}

/* Reads an answer: a datagram, a line, or (http) all until the end. */
static ssize_t read_answer(int fd, char *buffer, size_t size)
{
	size_t have = 0;

	while (have < size - 1) {
		ssize_t got = recv(fd, buffer + have, size - 1 - have, 0);

		if (got < 0)
			return -errno;
		have += (size_t)got;
		buffer[have] = 0;
		if (!got || (protocol != HTTP && buffer[have - 1] == '\n'))
			break;
	}
	return (ssize_t)have;
}

static void note(const char *name, const char *wrong)
{
	if (interactive) {
		printf("%s%s\n", wrong ? "error: " : "", wrong ? wrong : name);
		fflush(stdout);
	} else if (wrong) {
		count(failures, wrong);
	} else {
		count(answers, name);
	}
}

/* True if an answer came and was right. */
static bool exchange(int fd, unsigned int number, uint16_t port)
{
	char question[64], reply[4096], name[WORD_MAX + 1];
	const char *wrong;
	ssize_t size;

	snprintf(question, sizeof(question), "%d-%u", (int)getpid(), number);
	if (protocol == HTTP)
		size = dprintf(fd, "GET / HTTP/1.0\r\n\r\n");
	else
		size = dprintf(fd, "%s\n", question);
	size = size < 0 ? -errno : read_answer(fd, reply, sizeof(reply));
	if (size <= 0)
		wrong = !size		? "closed without an answer" :
			size == -EAGAIN ? "no answer in time" :
					  strerror((int)-size);
	else
		wrong = protocol == HTTP ? check_http(reply, name) :
					   check_echo(reply, port, question, name);
	note(name, wrong);
	return !wrong;
}

static bool go_on(unsigned int done, unsigned int total)
{
	char line[256];

	return interactive ? fgets(line, sizeof(line), stdin) != NULL : done < total;
}

static void ask(unsigned int total)
{
	unsigned int places = address_count * port_count;
	int *kept = calloc(places, sizeof(*kept));

	for (unsigned int i = 0; kept && go_on(i, total); i++) {
		unsigned int place = i % places;
		uint16_t port = ports[place / address_count];
		int fd = kept[place] ? kept[place] :
				       open_socket(addresses[place % address_count], port);

		if (fd < 0) {
			note(NULL, strerror(-fd));
			continue;
		}
		kept[place] = exchange(fd, i, port) && keep ? fd : 0;
		if (!kept[place])
			close(fd);
	}
	free(kept);
}

static void parse_ports(const char *list)
{
	char *end;

	do {
		unsigned long from = strtoul(list, &end, 10);
		unsigned long to = *end == '-' ? strtoul(end + 1, &end, 10) : from;

		for (; from <= to && from <= UINT16_MAX && port_count < LIST_MAX; from++)
			ports[port_count++] = (uint16_t)from;
		list = end + 1;
	} while (*end == ',');
}

static int usage(void)
{
	fputs("usage: ask [-i|-k] [-n COUNT] [-s SOURCE-PORT] [-t TIMEOUT-MS] tcp|udp|http ADDRESS[,ADDRESS] PORTS\n",
	      stderr);
	return 2;
}

int main(int argc, char **argv)
{
	struct rlimit limit;
	unsigned int total = 1;
	int option;

	while ((option = getopt(argc, argv, "ikn:s:t:")) != -1) {
		switch (option) {
		case 'i':
			interactive = keep = true;
			break;
		case 'k':
			keep = true;
			break;
		case 'n':
			total = (unsigned int)strtoul(optarg, NULL, 10);
			break;
		case 's':
			source_port = (uint16_t)strtoul(optarg, NULL, 10);
			break;
		case 't':
			timeout_ms = (unsigned int)strtoul(optarg, NULL, 10);
			break;
		default:
			return usage();
		}
	}
	if (argc - optind != 3)
		return usage();
	protocol = !strcmp(argv[optind], "tcp") ? TCP : !strcmp(argv[optind], "udp") ? UDP : HTTP;
	for (char *word = strtok(argv[optind + 1], ","); word && address_count < 16;
	     word = strtok(NULL, ","))
		addresses[address_count++] = word;
	parse_ports(argv[optind + 2]);
	if (!getrlimit(RLIMIT_NOFILE, &limit)) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	ask(total);
	for (unsigned int i = 0; i < 64 && answers[i].count; i++)
		printf("%s %u\n", answers[i].word, answers[i].count);
	for (unsigned int i = 0; i < 64 && failures[i].count; i++)
		fprintf(stderr, "%u x %s\n", failures[i].count, failures[i].word);
	return failures[0].count ? 1 : 0;
}
