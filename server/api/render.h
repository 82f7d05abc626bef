#pragma once

#include <string>
#include <string_view>

#include "server/api/http_message.h"
#include "server/builtin/answer.h"

namespace belfry::api {

// The one place where answers become bytes. Pure functions, thread-safe.
HttpResponse Render(builtin::Answer answer);

// A text that no engine answered, with the headers that every answer has.
HttpResponse TextResponse(int status, std::string_view content_type, std::string text);

}  // namespace belfry::api
