#!/bin/sh
# make's shell (SHELL=) in the sketch of an object tree. make decides as ever what is out of date and runs this with the recipe:
# what only prepares (headers, programs of the build) is done, and what would compile, assemble, archive or link for the kernel is
# written down; its target then stands there anew, as a file that says that it stands for something.
stands='allno: stands for what a build makes'
recipe=$2

# Does a word of the recipe name a file that stands for something?
reads_one() {
	set -f
	for word in $recipe; do
		if is_one "${word%;}"; then return 0; fi
	done
	return 1
}

is_one() {
	[ -f "$1" ] && read -r first < "$1" && [ "$first" = "$stands" ]
}

# The target of a recipe of kbuild's forms: cmd_and_fixdep, cmd_and_savecmd, and what delete-on-interrupt removes.
target_of() {
	case $recipe in
	*'scripts/basic/fixdep '*)
		target=${recipe##*scripts/basic/fixdep }
		target=${target#* }
		target=${target%% *} ;;
	*"printf '%s\n' 'savedcmd_"*)
		target=${recipe##*"printf '%s\n' 'savedcmd_"}
		target=${target%% *} ;;
	*"printf '%s\n' 'cmd_"*)
		target=${recipe##*"printf '%s\n' 'cmd_"}
		target=${target%% *} ;;
	*"trap 'rm -f "*)
		target=${recipe#*"trap 'rm -f "}
		target=${target%%;*} ;;
	*) target= ;;
	esac
}

# Prints what kbuild prints ("  CC      init/main.o - due to: …") and leaves the target, anew.
stand_in() {
	case $recipe in
	*"echo '  "*)
		said=${recipe#*"echo '"}
		printf '%s\n' "${said%%"';"*}" ;;
	esac
	[ -n "$target" ] || exit 0
	case $target in
	*/*) made=${target%/*}/.${target##*/}.allno ;;
	*) made=.$target.allno ;;
	esac
	printf '%s\n' "$recipe" > "$made" && printf '%s\n' "$stands" > "$target"
	exit
}

# Most recipes by far. Their target is a word of what they say, near their beginning: cutting long texts is slow in a shell.
case $recipe in
'set -e;'*"echo '  CC "* | 'set -e;'*"echo '  AS "* | 'set -e;'*"echo '  AR "*)
	said=${recipe#*"echo '"}
	said=${said%%"';"*}
	set -f
	set -- ${said%%' - due to'*}
	target=$2
	if [ "$target" = '[M]' ]; then target=$3; fi
	case $target in
	scripts/* | tools/*) ;;
	*.o | *.a) stand_in ;;
	esac ;;
esac

case $recipe in
*link-vmlinux.sh*)
	# The one object that the link makes by kbuild's rules.
	target_of
	if grep -q 'init/version-timestamp\.o$' "$srctree/scripts/link-vmlinux.sh"; then
		"${MAKE:-make}" -f "$srctree/scripts/Makefile.build" obj=init init/version-timestamp.o || exit
	fi
	stand_in ;;
'make '* | *' make '* | *"${MAKE:-make} "*) ;;
*'scripts/basic/fixdep '* | *"printf '%s\n' 'savedcmd_"* | *"printf '%s\n' 'cmd_"*)
	target_of
	case $target in
	scripts/* | tools/*) ;;
	*.a) stand_in ;;
	*.o)
		case $recipe in
		*"echo '  HOST"*) ;;
		*) stand_in ;;
		esac
		if reads_one; then stand_in; fi ;;
	*)
		if is_one "$target" || reads_one; then
			# modpost writes it beside its target.
			case $target in
			*vmlinux.symvers) [ -e .vmlinux.export.c ] || printf '%s\n' "$stands" > .vmlinux.export.c ;;
			esac
			stand_in
		fi ;;
	esac ;;
*)
	if reads_one; then
		target_of
		stand_in
	fi ;;
esac
set +f
eval "$recipe"
