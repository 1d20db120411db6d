// A made-up codex.exe, for the tests of the Windows build. It answers what codexline asks
// `codex app-server`: the limits are those in MADE_UP_ANSWER.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int count, char **arguments) {
    static char line[65536];
    if (count > 1 && strcmp(arguments[1], "--version") == 0) {
        puts("codex-cli 0.169.0");
        return 0;
    }
    if (count < 2 || strcmp(arguments[1], "app-server") != 0) {
        return 2;
    }
    while (fgets(line, sizeof line, stdin)) {
        const char *id = strstr(line, "\"id\":");
        const char *limits = strstr(line, "account/rateLimits/read");
        if (id) {
            printf("{\"id\":%d,\"result\":%s}\n", atoi(id + 5), limits ? getenv("MADE_UP_ANSWER") : "{}");
            fflush(stdout);
        }
    }
    return 0;
}
