# Runs the example on its script and compares what it prints.
execute_process(COMMAND ${PROGRAM} INPUT_FILE ${DIRECTORY}/script.txt
  OUTPUT_VARIABLE output RESULT_VARIABLE status)
file(READ ${DIRECTORY}/expected.txt expected)
if(NOT status EQUAL 0 OR NOT output STREQUAL expected)
  message(FATAL_ERROR "status ${status}, output:\n${output}")
endif()
