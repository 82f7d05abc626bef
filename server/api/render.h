#pragma once

#include <string>
#include <string_view>

#include "server/api/http_message.h"
#include "server/builtin/answer.h"

namespace belfry::api {

// The one place where answers become bytes. Pure functions, thread-safe. A client that names a
// namespace in X-Vault-Namespace, `space`, learns which one its answer is about.
HttpResponse Render(builtin::Answer answer, std::string_view space = "");

// A text that no engine answered, with the headers that every answer has.
HttpResponse TextResponse(int status, std::string_view content_type, std::string text);

}  // namespace belfry::api
