"""S3 Vectors for tests: moto's, with the query that it lacks, by exact search, and with the limits and the
filter grammar that the service documents:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/s3-vectors-limitations.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/s3-vectors-metadata-filtering.html
"""

import json
import math
import sys

from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult
from moto.s3vectors import responses, urls
from moto.s3vectors.exceptions import ValidationError
from moto.s3vectors.responses import S3VectorsResponse

from moto.server import main

MOST_RESULTS = 100
MOST_VECTORS = 500
MOST_METADATA = 40 * 1024
MOST_FILTERABLE = 2 * 1024

COMPARISONS = {
    "$eq": lambda have, want: want in have if isinstance(have, list) else have == want,
    "$ne": lambda have, want: want not in have if isinstance(have, list) else have != want,
    "$gt": lambda have, want: is_number(have) and have > want,
    "$gte": lambda have, want: is_number(have) and have >= want,
    "$lt": lambda have, want: is_number(have) and have < want,
    "$lte": lambda have, want: is_number(have) and have <= want,
}


class IndexExists(ServiceException):
    code = "ConflictException"

    def __init__(self) -> None:
        super().__init__("An index with the specified name already exists")


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def is_simple(value):
    return isinstance(value, (str, bool)) or is_number(value)


def matches(filter, metadata, hidden):
    """Whether metadata fits a filter; a filter outside the grammar is refused."""
    if not isinstance(filter, dict) or not filter:
        raise ValidationError("Invalid filter: must be an object that is not empty")
    return all(one_matches(name, value, metadata, hidden) for name, value in filter.items())


def one_matches(name, value, metadata, hidden):
    if name in ("$and", "$or"):
        if not isinstance(value, list) or not value:
            raise ValidationError(f"Invalid filter: {name} takes a list that is not empty")
        results = [matches(each, metadata, hidden) for each in value]
        return all(results) if name == "$and" else any(results)
    if name.startswith("$"):
        raise ValidationError(f"Invalid filter: unknown operator {name}")
    if name in hidden:
        raise ValidationError(f"Invalid filter: {name} is not filterable")
    if not isinstance(value, dict):
        if not is_simple(value):
            raise ValidationError(f"Invalid filter: the value of {name}")
        value = {"$eq": value}
    return all(compare(operator, want, name, metadata) for operator, want in value.items())


def compare(operator, want, name, metadata):
    if operator == "$exists":
        return (name in metadata) == want
    if operator in ("$in", "$nin"):
        if not isinstance(want, list) or not want or not all(is_simple(each) for each in want):
            raise ValidationError(f"Invalid filter: {operator} takes a list of simple values")
        have = metadata.get(name)
        inside = any(each in have for each in want) if isinstance(have, list) else have in want
        return name in metadata and (inside == (operator == "$in"))
    if operator not in COMPARISONS or not is_simple(want):
        raise ValidationError(f"Invalid filter: {operator} of {name}")
    return name in metadata and COMPARISONS[operator](metadata[name], want)


def cosine_distance(one, other):
    norms = math.sqrt(math.fsum(x * x for x in one)) * math.sqrt(math.fsum(y * y for y in other))
    return 1.0 - math.fsum(x * y for x, y in zip(one, other, strict=True)) / norms


def check_vector(vector, what):
    if not all(math.isfinite(x) for x in vector):
        raise ValidationError(f"{what}: values must be finite")
    if not any(vector):
        raise ValidationError(f"{what}: a zero vector has no cosine distance")


def hidden_keys(index):
    return getattr(index, "hidden_keys", ())


class Response(S3VectorsResponse):
    def create_index(self):
        bucket = self.s3vectors_backend.get_vector_bucket(self._get_param("vectorBucketName"))
        name = self._get_param("indexName")
        if any(index.index_name == name for index in bucket.indexes.values()):
            raise IndexExists
        result = super().create_index()
        index = self.s3vectors_backend.get_index(bucket.vector_bucket_name, name, None)
        configuration = self._get_param("metadataConfiguration") or {}
        index.hidden_keys = tuple(configuration.get("nonFilterableMetadataKeys") or ())
        return result

    def index(self):
        return self.s3vectors_backend.get_index(
            self._get_param("vectorBucketName"), self._get_param("indexName"), self._get_param("indexArn")
        )

    def put_vectors(self):
        vectors, index = self._get_param("vectors"), self.index()
        if not 1 <= len(vectors) <= MOST_VECTORS:
            raise ValidationError(f"vectors: between 1 and {MOST_VECTORS}")
        for vector in vectors:
            check_vector(vector["data"]["float32"], f"Invalid record for key '{vector['key']}'")
            metadata = vector.get("metadata") or {}
            filterable = {key: value for key, value in metadata.items() if key not in hidden_keys(index)}
            if len(json.dumps(metadata).encode()) > MOST_METADATA:
                raise ValidationError(f"metadata must have at most {MOST_METADATA} bytes")
            if len(json.dumps(filterable).encode()) > MOST_FILTERABLE:
                raise ValidationError(f"filterable metadata must have at most {MOST_FILTERABLE} bytes")
        return super().put_vectors()

    def query_vectors(self):
        index, results = self.index(), self._get_param("topK")
        vector = self._get_param("queryVector")["float32"]
        if not isinstance(results, int) or not 1 <= results <= MOST_RESULTS:
            raise ValidationError(f"topK: between 1 and {MOST_RESULTS}")
        if len(vector) != index.dimension:
            raise ValidationError(f"Query vector must have length {index.dimension}")
        check_vector(vector, "Query vector")
        filter, hidden = self._get_param("filter"), hidden_keys(index)
        found = []
        for each in list(index.vectors.values()):
            if filter is None or matches(filter, each.metadata or {}, hidden):
                found.append((cosine_distance(vector, each.data["float32"]), each))
        found.sort(key=lambda pair: (pair[0], pair[1].key))
        distances = self._get_bool_param("returnDistance", False)
        metadata = self._get_bool_param("returnMetadata", False)
        vectors = []
        for distance, each in found[:results]:
            one = {"key": each.key}
            if distances:
                one["distance"] = distance
            if metadata:
                one["metadata"] = each.metadata
            vectors.append(one)
        return ActionResult({"vectors": vectors, "distanceMetric": index.distance_metric})


urls.url_paths = {path: Response.dispatch for path in urls.url_paths} | {"{0}/QueryVectors$": Response.dispatch}
responses.S3VectorsResponse = Response
main(sys.argv[1:])
