# The Debian package: `cmake --build … --target package` makes webhook-calls_VERSION-RELEASE_ARCHITECTURE.deb.
set(WEBHOOK_CALLS_PACKAGE_RELEASE 1 CACHE STRING "Revision of the Debian package")
set(WEBHOOK_CALLS_PACKAGE_MAINTAINER "webhook-calls authors <maintainers@webhook-calls.invalid>" CACHE STRING
  "Maintainer of the Debian package")

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME webhook-calls)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_CONTACT ${WEBHOOK_CALLS_PACKAGE_MAINTAINER})
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
  OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE ${WEBHOOK_CALLS_PACKAGE_RELEASE})
set(CPACK_DEBIAN_PACKAGE_SECTION web)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "log of what webhook endpoints answered, as a JSON:API")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION "For each notification that a platform sent: the HTTP code, the headers and
the body that the endpoint answered, or that nothing answered. Two read-only
JSON:API endpoints, served by a pool of FastCGI workers behind nginx from
MariaDB or MySQL; a record lives 60 days.

The package has the workers with their systemd units, the locations for
nginx, a page that shows the log in a browser, the database's schema, and
commands that make the database, keep it, and issue tokens.")
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS
  "multiwatch, mariadb-client-core | virtual-mysql-client-core, systemd | systemd-standalone-sysusers | systemd-sysusers")
# curl and certificates are for webhook-calls-notify, Python for webhook-calls-import.
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "nginx, mariadb-server | virtual-mysql-server, curl, ca-certificates, python3")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
foreach(file conffiles postinst prerm postrm)
  list(APPEND CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${CMAKE_CURRENT_LIST_DIR}/${file})
endforeach()

# What only the package has is put in place by this when it is made.
set(CPACK_PRE_BUILD_SCRIPTS ${CMAKE_CURRENT_LIST_DIR}/stage.cmake)
set(CPACK_WEBHOOK_CALLS_SOURCE ${PROJECT_SOURCE_DIR})
include(CPack)
