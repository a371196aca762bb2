#!/bin/sh
# make-page.sh PROGRAM COMMAND VERSION PAGE: makes the manual page of a command, compressed, of what PROGRAM says by --help.
# COMMAND.h2m has its one line of description and what else --help has no place for, common.h2m what all pages have.
set -eu
export LC_ALL=C
program=$1 command=$2 version=$3 page=$4
here=$(dirname -- "$0")
folder=$(mktemp -d)
trap 'rm -rf -- "$folder"' EXIT

# help2man knows "Usage:", "or:" and headings; it calls what it documents.
"$program" --help | sed -E '
  1s/^usage: /Usage: /
  2,/^$/s/^ +(webhook-calls-[a-z-]+ )/  or:  \1/
  s/^(WEBHOOK_CALLS_[A-Z_]+) (.*)$/\n*Environment*\n\n  \1  \2/
  s/^Settings, all in the environment (.*):$/*Environment*\n\nThe settings \1:/
  s/^Exit code: /\n*Exit status*\n\n/' >"$folder/help"
printf '#!/bin/sh\ncat -- "%s"\n' "$folder/help" >"$folder/$command"
chmod +x "$folder/$command"
cat -- "$here/$command.h2m" "$here/common.h2m" >"$folder/include"

mkdir -p -- "$(dirname -- "$page")"
help2man --no-info --section=8 --manual='webhook-calls' --source="webhook-calls $version" --version-string="$version" \
  --include="$folder/include" --output="$folder/page" "$folder/$command"
date=$(date --utc --date="@${SOURCE_DATE_EPOCH:-$(date +%s)}" +%F)
sed -E "/^\.TH /s/\"[A-Z][a-z]+ [0-9]{4}\"/\"$date\"/" "$folder/page" | gzip -9 -n >"$page"
