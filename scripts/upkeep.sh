# What scripts/expire-calls and scripts/seal-calls share; sourced after common.sh, not run.
# shellcheck shell=bash disable=SC2034,SC2154 # what it sets for the scripts, and has from common.sh

option_file='' quiet=false seconds=50

# Takes an option that both have, and sets `taken` to the number of its words; 0: it is another.
take_option() {
  taken=1
  case $1 in
    --help) help && exit ;;
    --quiet) quiet=true ;;
    --time-limit) option_value seconds "$@" && taken=2 ;;
    --defaults-file) option_value option_file "$@" && taken=2 ;;
    *) taken=0 ;;
  esac
}

# do_task EXPIRE_OR_SEAL ARGUMENTS: calls the procedure TASK_webhook_calls, or the function plain_TASK where the server has none.
# Sets handled, finished and busy. `said` is for the functions that tell the end.
do_task() {
  local said
  [[ $seconds =~ ^[1-9][0-9]{0,5}$ ]] || usage_error "--time-limit must be a whole number of seconds from 1."
  connect_as purger "$option_file"
  if ! said=$(sql "$database" <<<"CALL $1_webhook_calls($2)" 2>&1); then
    case $said in
      # There is no such procedure, or none for this account.
      *'ERROR 1305 '* | *'ERROR 1370 '*) said=$(plainly "$1" 2>&1) || failed "$said" ;;
      *) failed "$said" ;;
    esac
  fi
  read -r handled finished busy <<<"${said##*$'\n'}" # the client may have warned before
}

failed() {
  case $1 in
    *'ERROR 1290 '*read*only*)
      $quiet || say "This server is read-only, as a replica is: the primary does this."
      exit 0
      ;;
    *) die "$1" ;;
  esac
}

# ---- Without routines: the same by plain statements, in one session of the client

# A statement that fails does not end the session: what somebody else has locked is left to a later run.
plainly() {
  errors=$(mktemp)
  trap 'rm -f -- "$errors"' EXIT
  coproc SESSION { sql --unbuffered --force "$database" 2>>"$errors"; }
  session_answer=${SESSION[0]} session_question=${SESSION[1]}
  handled=0 finished=0 busy=0
  give_up_at=$((${EPOCHREALTIME/[.,]/} + seconds * 1000000))
  ask "SELECT COALESCE(GET_LOCK(LEFT(CONCAT(DATABASE(), '.$1_webhook_calls'), 64), 0), 0);"
  if [[ $answer == 1 ]]; then
    ask "SET SESSION autocommit = 1; SET SESSION innodb_lock_wait_timeout = 1; SELECT REPLACE(UTC_TIMESTAMP(3), ' ', 'T');"
    began=$answer
    "plain_$1"
    # The server may take a moment to end the session.
    ask "SELECT RELEASE_LOCK(LEFT(CONCAT(DATABASE(), '.$1_webhook_calls'), 64));"
  else
    busy=1
  fi
  say "$handled $finished $busy"
}

out_of_time() { [[ ${EPOCHREALTIME/[.,]/} -ge $give_up_at ]]; }

# ask SQL: sets `answers` to its rows, of which there is one at least, and `answer` to the last of them.
ask() {
  local line part
  answers=()
  printf "%s\nSELECT '.';\n" "$1" >&"$session_question"
  while true; do
    line=
    # The client outlives its connection, and then answers nothing.
    until IFS= read -r -t 1 part <&"$session_answer"; do
      [[ $? -gt 128 ]] || session_failed
      line+=$part
      ! grep -qE '^ERROR (1927|20[0-9]{2}) ' <"$errors" || session_failed
    done
    line+=$part
    [[ $line != . ]] || break
    answers+=("$line")
  done
  [[ ${#answers[@]} -gt 0 ]] || session_failed
  answer=${answers[-1]}
}

session_failed() {
  cat -- "$errors"
  exit 1
}

# After a statement that has failed: ends all, unless somebody else has what it needs (the codes are those of sql/routines.sql).
in_conflict() {
  grep -qE '^ERROR (1020|1062|1205|1213) ' <"$errors" || session_failed
  ! grep '^ERROR' <"$errors" | grep -qvE '^ERROR (1020|1062|1205|1213) ' || session_failed
  : >"$errors"
}

# note TASK [, COLUMN = VALUE...]: how the run ended.
note() {
  local caught_up_at=NULL
  [[ $finished == 0 ]] || caught_up_at="'$began'"
  ask "INSERT INTO webhook_call_upkeep
          SET task = '$1', began_at = '$began', caught_up_at = $caught_up_at, ended_at = UTC_TIMESTAMP(3),
              rows_handled = $handled${2-}
       ON DUPLICATE KEY UPDATE began_at = '$began', caught_up_at = COALESCE($caught_up_at, caught_up_at),
              ended_at = UTC_TIMESTAMP(3), rows_handled = $handled${2-};
       SELECT ROW_COUNT();"
  [[ $answer != -1 ]] || in_conflict
}
