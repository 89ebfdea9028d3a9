#!/bin/sh
# Stands before ccache on the PATH of a kernel's build. To find an object again ccache has to know what its source includes, and runs
# the preprocessor for that: a build that begins with an empty cache takes a third longer. kbuild has the compiler write the same list
# as it compiles (-MMD), and in its depend mode ccache takes that one. But then it does not see what the assembler reads by itself
# (.incbin), so a source that speaks of it, and all that is no C, goes the usual way.
for source in "$@"; do :; done
case $source in
*.c) grep -qs incbin "$source" || export CCACHE_DEPEND=1 ;;
esac
exec "$ALLNO_CCACHE" "$@"
