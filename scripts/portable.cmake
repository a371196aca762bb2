# What an installation takes along to a host that has none of it: OpenSSL (for the worker and for the plugins), the database
# client's plugins, by which MySQL's and other passwords are proved, the two programs that keep a pool, and the licences of all
# that is in the worker or beside it.
set(own ${CMAKE_INSTALL_LIBDIR}/webhook-calls)

foreach(library ${OPENSSL_SSL_LIBRARY} ${OPENSSL_CRYPTO_LIBRARY})
  get_filename_component(name ${library} NAME)
  file(REAL_PATH ${library} library)
  install(PROGRAMS ${library} DESTINATION ${own} RENAME ${name}.3)
endforeach()

find_program(MARIADB_CONFIG mariadb_config REQUIRED)
execute_process(COMMAND ${MARIADB_CONFIG} --plugindir OUTPUT_VARIABLE plugins OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
foreach(plugin caching_sha2_password client_ed25519 sha256_password)
  install(FILES ${plugins}/${plugin}.so DESTINATION ${own}/plugin)
endforeach()

foreach(program spawn-fcgi multiwatch)
  find_program(${program} ${program} REQUIRED)
  install(PROGRAMS ${${program}} DESTINATION ${own}/pool)
endforeach()
install(CODE "
  file(GET_RUNTIME_DEPENDENCIES EXECUTABLES \"${multiwatch}\" RESOLVED_DEPENDENCIES_VAR needed
    PRE_EXCLUDE_REGEXES [[^lib(c|m)\\.so]] [[^ld-]])
  file(INSTALL \${needed} DESTINATION \"\${CMAKE_INSTALL_PREFIX}/${own}/pool\" FOLLOW_SYMLINK_CHAIN)")

foreach(package libmysqlcppconn-dev libmariadb-dev libfcgi-dev libssl3 libstdc++6 zlib1g rapidjson-dev spawn-fcgi multiwatch
    libglib2.0-0 libev4 libpcre2-8-0)
  if(EXISTS /usr/share/doc/${package}/copyright)
    install(FILES /usr/share/doc/${package}/copyright DESTINATION ${CMAKE_INSTALL_DOCDIR}/licences RENAME ${package})
  endif()
endforeach()
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR}/licences RENAME webhook-calls)
install(FILES webhook-calls.htaccess DESTINATION ${CMAKE_INSTALL_DATADIR}/webhook-calls/apache)
