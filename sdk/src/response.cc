#include "belfry/response.h"

namespace belfry {

Response Response::Data(Json::Object members) {
  Response response(Kind::kData);
  response.data_ = std::move(members);
  return response;
}

Response Response::List(std::vector<std::string> keys) {
  Response response(Kind::kList);
  Json::Array array(keys.begin(), keys.end());
  response.data_.emplace("keys", std::move(array));
  return response;
}

Response Response::NoContent() {
  return Response(Kind::kNoContent);
}

Response Response::NotFound() {
  return Response(Kind::kNotFound);
}

Response Response::WithStatus(int http_status, Json::Object members) {
  Response response = Data(std::move(members));
  response.http_status_ = http_status;
  return response;
}

Response& Response::AddWarning(std::string warning) {
  warnings_.push_back(std::move(warning));
  return *this;
}

}  // namespace belfry
