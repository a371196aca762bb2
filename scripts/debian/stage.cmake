# Called by CPack with the files of the package in a folder: adds those that Debian alone wants.
set(doc ${CPACK_TEMPORARY_DIRECTORY}/usr/share/doc/webhook-calls)
set(debian ${CPACK_WEBHOOK_CALLS_SOURCE}/scripts/debian)

# By SOURCE_DATE_EPOCH, if that is set: then the same sources make the same package.
string(TIMESTAMP date "%a, %d %b %Y %H:%M:%S +0000" UTC)
string(TIMESTAMP seconds "%s" UTC)
file(WRITE ${doc}/changelog.Debian "webhook-calls (${CPACK_PACKAGE_VERSION}-${CPACK_DEBIAN_PACKAGE_RELEASE}) unstable; urgency=medium

  * Version ${CPACK_PACKAGE_VERSION}: changelog.gz tells what is new in it.

 -- ${CPACK_PACKAGE_CONTACT}  ${date}
")
configure_file(${CPACK_WEBHOOK_CALLS_SOURCE}/CHANGELOG.md ${doc}/changelog COPYONLY)
configure_file(${debian}/copyright ${doc}/copyright COPYONLY)
configure_file(${debian}/lintian-overrides ${CPACK_TEMPORARY_DIRECTORY}/usr/share/lintian/overrides/webhook-calls COPYONLY)
execute_process(COMMAND gzip -9 -n ${doc}/changelog ${doc}/changelog.Debian COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND chmod -R u=rwX,go=rX ${CPACK_TEMPORARY_DIRECTORY} COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND find ${CPACK_TEMPORARY_DIRECTORY} -exec touch --no-dereference --date=@${seconds} {} +
  COMMAND_ERROR_IS_FATAL ANY)
