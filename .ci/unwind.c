// glibc's _dl_find_object for musl: gcc's unwinder for glibc, which `cross` takes because Debian has no
// other, finds the tables of a function by it.
#define _GNU_SOURCE
#include <link.h>
#include <pthread.h>
#include <stddef.h>

// The unwinder refers to these weakly, which takes nothing out of a static library.
void *const unwinder_needs[] __attribute__((used)) = {
    pthread_once, pthread_key_create, pthread_getspecific, pthread_setspecific,
    pthread_mutex_lock, pthread_mutex_unlock,
};

struct found { unsigned long long flags; void *start, *end, *map, *eh_frame; };
struct search { const char *address; struct found *found; };

static int look(struct dl_phdr_info *info, size_t size, void *data) {
    struct search *search = data;
    const char *base = (const char *)info->dlpi_addr;
    void *tables = NULL;
    int is_here = 0;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        char *start = (char *)base + part->p_vaddr;
        if (part->p_type == PT_GNU_EH_FRAME) tables = start;
        if (part->p_type == PT_LOAD && search->address >= start
            && search->address < start + part->p_memsz) {
            is_here = 1;
            search->found->start = start;
            search->found->end = start + part->p_memsz;
        }
    }
    if (!is_here || !tables) return 0;
    search->found->eh_frame = tables;
    return 1;
}

int _dl_find_object(void *address, struct found *found) {
    struct search search = {address, found};
    return dl_iterate_phdr(look, &search) == 1 ? 0 : -1;
}
