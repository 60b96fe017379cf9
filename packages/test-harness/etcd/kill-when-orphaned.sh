#!/bin/sh
# Kills process groups and removes directories when the process that registered them is gone.
#
# Standard input is a pipe from that process, which the kernel closes however it ends: by itself, by
# Ctrl-C, by SIGKILL. A handler inside that process could not do this: SIGKILL runs no handler, and
# inside Jest the `process` object is a copy whose "exit" listeners never run.
#
# Lines read: "+group ID", "-group ID", "+directory PATH", "-directory PATH". At the end of the input
# whatever is still registered is killed, then removed.
trap '' HUP INT TERM

groups=' '
directories=''
newline='
'

while IFS=' ' read -r command argument; do
  case "$command" in
    +group) groups="$groups$argument " ;;
    -group)
      case "$groups" in
        *" $argument "*) groups="${groups%% "$argument" *} ${groups#* "$argument" }" ;;
      esac
      ;;
    +directory) directories="$directories$argument$newline" ;;
    -directory)
      remaining=''
      while IFS= read -r directory; do
        if [ -n "$directory" ] && [ "$directory" != "$argument" ]; then
          remaining="$remaining$directory$newline"
        fi
      done <<END
$directories
END
      directories="$remaining"
      ;;
  esac
done

for group in $groups; do
  kill -s KILL -- "-$group" 2>/dev/null
done

while IFS= read -r directory; do
  if [ -n "$directory" ]; then
    rm -rf -- "$directory"
  fi
done <<END
$directories
END
