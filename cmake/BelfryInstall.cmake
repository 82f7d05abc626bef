# `cmake --install BUILD --component server`: the programs, found from one another, and how a system runs them.
# `cmake --install BUILD --component sdk`: the package `belfry` with belfry::sdk and belfry::sdk_testing, for find_package(belfry).
#
# Static libraries drag along what they are built on, so the package holds those libraries too, as belfry::internal_…; of headers it holds
# only the public ones, and so neither protobuf's nor gRPC's types reach a plugin.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# belfry_closure(OUT TARGETS...): these targets of ours and all that they link.
function(belfry_closure OUT)
  set(waiting ${ARGN})
  set(found)
  while(waiting)
    list(POP_FRONT waiting target)
    if(TARGET ${target} AND NOT target IN_LIST found)
      list(APPEND found ${target})
      get_target_property(links ${target} INTERFACE_LINK_LIBRARIES)
      string(REGEX MATCHALL "belfry_[a-z_0-9]+" ours "${links}")
      list(REMOVE_ITEM ours belfry_options)
      list(APPEND waiting ${ours})
    endif()
  endwhile()
  set(${OUT} ${found} PARENT_SCOPE)
endfunction()

belfry_closure(packaged belfry_sdk belfry_sdk_testing)
foreach(target ${packaged})
  string(REGEX REPLACE "^belfry_" "" name ${target})
  if(NOT name MATCHES "^sdk(_testing)?$")
    set(name internal_${name})
  endif()
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${name})
endforeach()
add_library(belfry::sdk ALIAS belfry_sdk)
add_library(belfry::sdk_testing ALIAS belfry_sdk_testing)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/belfry)
install(TARGETS ${packaged} EXPORT belfry COMPONENT sdk
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
  INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT belfry NAMESPACE belfry:: FILE belfryTargets.cmake DESTINATION ${package_dir} COMPONENT sdk)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/sdk/include/belfry DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT sdk)
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/belfryConfig.cmake.in ${CMAKE_BINARY_DIR}/belfryConfig.cmake
  INSTALL_DESTINATION ${package_dir})
# Before 1.0 a minor version may change what plugins are built against.
write_basic_package_version_file(${CMAKE_BINARY_DIR}/belfryConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/belfryConfig.cmake ${CMAKE_BINARY_DIR}/belfryConfigVersion.cmake
  DESTINATION ${package_dir} COMPONENT sdk)
add_custom_target(sdk_package DEPENDS ${packaged} COMMENT "What `cmake --install` installs")

set(server_dir lib/belfry)
install(TARGETS belfry_belfry_binary belfry_plugin_guard_binary COMPONENT server RUNTIME DESTINATION ${server_dir})
install(TARGETS belfry_kv_binary COMPONENT server RUNTIME DESTINATION ${server_dir}/plugins)
install(CODE "
  set(bin \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_BINDIR}\")
  file(MAKE_DIRECTORY \"\${bin}\")
  file(CREATE_LINK ../${server_dir}/belfry \"\${bin}/belfry\" SYMBOLIC)" COMPONENT server)
install(FILES ${PROJECT_SOURCE_DIR}/packaging/belfry.hcl DESTINATION ${CMAKE_INSTALL_DATADIR}/belfry COMPONENT server)
install(FILES ${PROJECT_SOURCE_DIR}/packaging/belfry.service DESTINATION lib/systemd/system COMPONENT server)
install(FILES ${PROJECT_SOURCE_DIR}/packaging/belfry.sysusers DESTINATION lib/sysusers.d RENAME belfry.conf COMPONENT server)
