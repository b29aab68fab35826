import re
import subprocess
import sys

import pytest
import rasterio
from rasterio.errors import RasterioError

from anyband.catalog.items.dialects import parse_item
from anyband.catalog.pairs.coverage import look_at
from anyband.raster import access
from anyband.raster.access import gdal_env, read_raster, sign, why_unreadable, with_retries, without_secrets
from anyband.raster.asset import UnusableItemError
from anyband.raster.credentials import forget_token
from anyband.runtime import UserError
from make_items import NORTH, make_item

AZURE = "http://landsateuwest.blob.core.windows.net/landsat-c2/x.TIF"
BUCKET = "s3://usgs-landsat/collection02/x.TIF"


def read(href):
    """First pixel of a file, opened as the steps open it."""
    with rasterio.Env(**gdal_env()), rasterio.open(sign(href)) as source:
        return int(source.read(1)[0, 0])


def refused(href):
    """The line on a file that cannot be read."""
    with pytest.raises(RasterioError) as error:
        read(href)
    line = why_unreadable(href, error.value)
    assert "\n" not in line
    assert "secret" not in line
    return line


@pytest.fixture
def at_once(provider, monkeypatch):
    """The waits that were asked for; instead of them, the provider goes on to its next trouble."""
    waits = []

    def go_on(seconds):
        waits.append(seconds)
        del provider.troubles[:1]

    monkeypatch.setattr(access.time, "sleep", go_on)
    monkeypatch.setattr(access, "gdal_env", lambda href: gdal_env(href) | {"GDAL_HTTP_MAX_RETRY": 0})
    return waits


def first_pixel(source):
    return int(source.read(1)[0, 0])


def patiently(href):
    """First pixel of a file, by the function that waits trouble out."""
    return read_raster(href, first_pixel, "item X: asset red")


@pytest.fixture
def earthdata(provider, monkeypatch):
    """The address of a file of LP DAAC, which here is the local server."""
    monkeypatch.setattr(access, "EARTHDATA_FILES", f"{provider.url}/earthdata/")
    return f"{provider.url}/earthdata/HLS.L30.B04.tif"


@pytest.fixture
def bucket(provider, monkeypatch):
    """Lets GDAL find the bucket at the local server."""
    settings = {"AWS_S3_ENDPOINT": provider.url.removeprefix("http://"), "AWS_HTTPS": "NO", "AWS_VIRTUAL_HOSTING": "NO"}
    for name, value in (settings | {"CPL_AWS_AUTODETECT_EC2": "NO", "AWS_EC2_METADATA_DISABLED": "true"}).items():
        monkeypatch.setenv(name, value)
    return BUCKET


@pytest.mark.parametrize(
    ("href", "address"),
    [
        ("http://archive.anyband.test/files/a/b.tif", None),
        ("/data/b c%20.tif", None),
        ("https://x.org/b.tif?v=1", None),
        ("https://x.org/b%20c%2Bd.tif", None),
        ("HTTPS://x.org/B c;d 100%.tif?v=a b", "https://x.org/B%20c%3Bd%20100%25.tif?v=a%20b"),
        ("file:///data/b%20c.tif", "/data/b c.tif"),
        ("file://localhost/data/b.tif", "/data/b.tif"),
        (" https://x.org/b.tif\n", "https://x.org/b.tif"),
        ("s3://bucket/b c%20?.tif", "/vsis3/bucket/b c%20?.tif"),
        ("gs://bucket/b.tif", "/vsigs/bucket/b.tif"),
        ("AZ://container/b.tif", "/vsiaz/container/b.tif"),
    ],
)
def test_addresses_without_a_signature(href, address):
    assert sign(href) == (address or href)


@pytest.mark.parametrize("name", ["x.tiff", "x.TIFF", "x.TIF", "x.jp2", "x y.tif", "x%20y", "x.tiff?sig=a%2Fb"])
def test_any_name_is_read_and_nothing_beside_it_is_asked_for(provider, name):
    assert read(f"{provider.url}/cdn/{name}") == 7
    assert {path for path, _ in provider.seen} == {f"/cdn/{name.replace(' ', '%20')}"}


REFUSALS = {
    "AccessDenied": (403, "Access Denied"),
    "InvalidAccessKeyId": (403, "The AWS Access Key Id you provided does not exist in our records."),
    "ExpiredToken": (400, "The provided token has expired."),
    "TokenRefreshRequired": (400, "The provided token must be refreshed."),
    "RequestTimeTooSkewed": (403, "The difference between the request time and the current time is too large."),
    "RequestExpired": (400, "Request has expired."),
    "AllAccessDisabled": (403, "All access to this object has been disabled"),
    "AccountProblem": (403, "There is a problem with your AWS account that prevents the operation."),
    "SignatureDoesNotMatch": (403, "The request signature we calculated does not match the signature you provided."),
    "KMS.NotFoundException": (400, "Key 'arn:aws:kms:x' does not exist"),
    "SomethingNew": (400, "Words that nobody has seen yet."),
}
BUSY = {
    "SlowDown": (503, "Please reduce your request rate."),
    "InternalError": (500, "We encountered an internal error. Please try again."),
    "ServiceUnavailable": (503, "Service is unable to handle request."),
    "RequestTimeout": (400, "Your socket connection to the server was not read from or written to in time."),
}


@pytest.fixture
def keys(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIATEST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "aws-secret")


@pytest.mark.parametrize("code", REFUSALS)
def test_whatever_words_a_bucket_refuses_in_it_stops_at_once(provider, bucket, keys, at_once, code):
    """GDAL passes on the message of the answer alone, neither its status nor its code."""
    status, words = REFUSALS[code]
    provider.says = (status, code, words)
    with pytest.raises(UserError) as error:
        patiently(bucket)
    assert not isinstance(error.value, UnusableItemError)
    assert str(error.value).startswith(f"item X: asset red: {bucket} is refused ({words}): set AWS_ACCESS_KEY_ID")
    assert at_once == []


@pytest.mark.parametrize("code", BUSY)
def test_a_busy_bucket_is_waited_for_and_then_stops(provider, bucket, keys, at_once, code):
    status, words = BUSY[code]
    provider.says = (status, code, words)
    with pytest.raises(UserError, match=f"cannot be read .{words[:20]}") as error:
        patiently(bucket)
    assert not isinstance(error.value, UnusableItemError)
    assert at_once == list(access.RETRY_WAITS_S)


def test_one_object_that_is_missing_or_archived_drops_its_item(provider, bucket, keys, at_once):
    for status, code, words in (
        (404, "NoSuchKey", "The specified key does not exist."),
        (403, "InvalidObjectState", "The operation is not valid for the object's storage class"),
    ):
        provider.says = (status, code, words)
        with pytest.raises(UnusableItemError):
            patiently(bucket)


def test_a_missing_bucket_is_one_clear_stop(provider, bucket, keys, at_once):
    provider.says = (404, "NoSuchBucket", "The specified bucket does not exist")
    with pytest.raises(UserError, match="there is no such bucket at this object store") as error:
        patiently(bucket)
    assert not isinstance(error.value, UnusableItemError)
    assert at_once == []


@pytest.mark.parametrize("code", ["AccessDenied", "ExpiredToken"])
def test_a_token_that_expires_while_a_file_is_read_stops(provider, bucket, keys, at_once, code):
    status, words = REFUSALS[code]

    def read_on(source):
        provider.says = (status, code, words)
        source.tags()
        raise RasterioError("Read failed. See previous exception for details.")

    with pytest.raises(UserError, match="is refused") as error:
        read_raster(bucket, read_on, "item X")
    assert not isinstance(error.value, UnusableItemError)


@pytest.mark.parametrize(
    ("href", "variable"),
    [("gs://gs-bucket/x.tif", "GOOGLE_APPLICATION_CREDENTIALS"), ("az://az-container/x.tif", "AZURE_STORAGE_ACCOUNT")],
)
def test_other_object_stores_refuse_too(provider, at_once, monkeypatch, href, variable):
    with pytest.raises(UserError, match=f"is refused: set {variable}") as error:
        patiently(href)
    assert at_once == []
    monkeypatch.setenv("CPL_GS_ENDPOINT", f"{provider.url}/")
    monkeypatch.setenv("GS_NO_SIGN_REQUEST", "YES")
    account = f"DefaultEndpointsProtocol=http;AccountName=me;AccountKey=a2V5;BlobEndpoint={provider.url};"
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", account)
    assert patiently(href) == 7
    provider.says = (403, "AuthorizationPermissionMismatch", "This request is not authorized")
    with pytest.raises(UserError, match=f"is refused: set {variable}") as error:
        patiently(href)
    assert not isinstance(error.value, UnusableItemError)
    provider.says = (404, "BlobNotFound", "The specified blob does not exist.")
    with pytest.raises(UnusableItemError, match="does not exist"):
        patiently(href)


@pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"])
def test_an_object_store_of_ones_own_is_named_as_for_its_other_clients(provider, keys, monkeypatch, variable):
    monkeypatch.setenv(variable, f"{provider.url}/")
    assert read(BUCKET) == 7


def test_azure_is_signed_at_the_moment_of_reading(provider):
    assert read(AZURE) == 7
    assert provider.tokens == 1
    assert sign(AZURE).startswith(f"{AZURE}?st=x&se=")
    assert sign(f"{AZURE}?sig=other") == f"{AZURE}?sig=other"
    assert sign(f"{AZURE}?snapshot=1").startswith(f"{AZURE}?snapshot=1&st=x")
    with pytest.raises(UserError, match="is not a container"):
        sign("https://landsateuwest.blob.core.windows.net")


def test_a_token_that_expires_in_the_middle_of_a_run_is_renewed(provider, tmp_path):
    """The address changes with the token, so GDAL does not remember an earlier refusal either."""
    stale = f"{AZURE}?se=2022-01-01T00:00:00Z&sig=azure-secret"
    with rasterio.Env(**gdal_env()):
        with pytest.raises(RasterioError) as error:
            rasterio.open(stale)
        assert why_unreadable(AZURE, error.value) == (
            f"{AZURE} is refused: its token is not accepted, remove {tmp_path}/cache/anyband and run again"
        )
        with rasterio.open(sign(AZURE)) as source:
            assert source.read(1)[0, 0] == 7


def test_an_expired_signature_is_not_taken_for_a_missing_file(provider, at_once, caplog):
    """Taken for one, the scene would be dropped without need."""
    item = make_item("landsat")
    item["assets"]["qa_pixel"]["href"] = f"{AZURE}?se=2022-01-01T00:00:00Z&sig=azure-secret"
    with pytest.raises(UserError) as error:
        look_at(parse_item(item), NORTH)
    assert not isinstance(error.value, UnusableItemError)
    assert str(error.value).startswith(f"item {item['id']}: asset qa_pixel: {AZURE} is refused")
    assert "secret" not in str(error.value) + caplog.text


def test_a_missing_file_drops_the_scene(provider):
    item = make_item("landsat")
    item["assets"]["qa_pixel"]["href"] = f"{provider.url}/nothing.tif"
    with pytest.raises(UnusableItemError, match=r"nothing\.tif does not exist"):
        look_at(parse_item(item), NORTH)


def test_earthdata_opens_with_a_token_from_the_environment(provider, earthdata, monkeypatch):
    monkeypatch.setenv("EARTHDATA_TOKEN", "earthdata-secret")
    assert read(earthdata) == 7
    assert "secret" not in sign(earthdata)
    asked = [headers.get("Authorization") for path, headers in provider.seen if path.startswith("/earthdata/")]
    redirected = [headers for path, headers in provider.seen if path.startswith("/cdn/")]
    assert set(asked) == {"Bearer earthdata-secret"}
    assert redirected
    assert not any("Authorization" in headers for headers in redirected), "the token stays with the one who wants it"


def test_the_earthdata_token_goes_to_no_other_provider(provider, earthdata, monkeypatch):
    monkeypatch.setenv("EARTHDATA_TOKEN", "earthdata-secret")
    assert read(AZURE) == 7
    assert not any("Authorization" in headers for _, headers in provider.seen)
    assert "secret" not in str(gdal_env())


def test_a_login_page_in_place_of_a_file_names_the_missing_credential(provider, earthdata, monkeypatch):
    """The server answers 200 and a page of HTML; GDAL only says that it knows no such format."""
    assert refused(earthdata) == (
        f"{earthdata} is not an image: an Earthdata login is missing, set EARTHDATA_TOKEN or add "
        "urs.earthdata.nasa.gov to ~/.netrc"
    )
    monkeypatch.setenv("EARTHDATA_TOKEN", "old-secret")
    assert refused(earthdata) == (
        f"{earthdata} is not an image: EARTHDATA_TOKEN is not accepted (expired?), get a new one at "
        "https://urs.earthdata.nasa.gov"
    )


def test_a_page_of_a_stranger_is_named_too(provider):
    href = f"{provider.url}/login/x.tif"
    assert (
        refused(href)
        == f"{href} is not an image: a damaged file, or a page in its place because a login is missing or has expired"
    )


def test_netrc_logs_in_where_no_token_is_set(provider, tmp_path, monkeypatch):
    assert "GDAL_HTTP_COOKIEJAR" not in gdal_env()
    (tmp_path / ".netrc").write_text("machine urs.earthdata.nasa.gov login me password netrc-secret\n")
    (tmp_path / ".netrc").chmod(0o600)
    options = gdal_env()
    assert options["GDAL_HTTP_COOKIEFILE"] == options["GDAL_HTTP_COOKIEJAR"]
    assert options["GDAL_HTTP_COOKIEJAR"].startswith(str(tmp_path / "cache"))
    assert "secret" not in str(options)
    monkeypatch.setenv("EARTHDATA_TOKEN", "earthdata-secret")
    assert "GDAL_HTTP_COOKIEJAR" not in gdal_env()


def test_earthdata_opens_with_netrc(provider, earthdata, tmp_path, monkeypatch):
    """Through the login page and back with a cookie, as curl does it for GDAL."""
    monkeypatch.setattr(access, "EARTHDATA_LOGIN", "localhost")
    (tmp_path / ".netrc").write_text("machine localhost login me password netrc-secret\n")
    (tmp_path / ".netrc").chmod(0o600)
    assert read(earthdata) == 7
    paths = [(path, headers.get("Authorization", "")) for path, headers in provider.seen]
    assert paths[0] == ("/earthdata/HLS.L30.B04.tif", "")
    assert paths[1][0] == "/oauth/x.tif"
    assert paths[1][1].startswith("Basic ")
    assert sum(path.startswith("/oauth/") for path, _ in paths) == 1, "the cookie opens the next file"


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ("'https://x.org/L1_403_404.tif' not recognized as a supported format", "is not an image"),
        ("HTTP response code: 404 - https://x.org/a.tif?sig=azure-secret", "does not exist"),
        ("HTTP response code: 403", "is refused"),
        ("HTTP response code on https://x.org/a.tif: 503", r"cannot be read \(HTTP response code"),
        ("CURL error: Could not resolve host", r"cannot be read \(CURL error"),
    ],
)
def test_numbers_in_a_name_are_not_taken_for_an_answer(said, line):
    assert re.match(f"https://x.org/a.tif {line}", why_unreadable("https://x.org/a.tif", RasterioError(said)))


def test_the_reader_pays_for_a_bucket(provider, bucket, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIATEST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "aws-secret")
    assert sign(bucket) == "/vsis3/usgs-landsat/collection02/x.TIF"
    assert read(bucket) == 7
    assert "/us-west-2/s3/" in provider.seen[-1][1]["Authorization"]


def test_a_failure_is_not_remembered_when_the_provider_has_recovered(provider, earthdata, bucket, monkeypatch):
    """GDAL keeps answering from its negative cache, for addresses with options and buckets as for plain ones."""
    monkeypatch.setenv("EARTHDATA_TOKEN", "earthdata-secret")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIATEST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "aws-secret")
    for href in (f"{provider.url}/cdn/plain.tif", earthdata, bucket):
        with rasterio.Env(**gdal_env()):
            provider.gone = True
            with pytest.raises(RasterioError):
                rasterio.open(sign(href))
            provider.gone = False
            assert read(href) == 7


def test_missing_aws_credentials_are_named(provider, bucket):
    assert refused(bucket).startswith(f"{bucket} is refused: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")


def test_the_region_of_the_user_is_kept(monkeypatch):
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    assert "AWS_REGION" not in gdal_env()


def test_messages_lose_their_secrets(monkeypatch):
    monkeypatch.setenv("EARTHDATA_TOKEN", "abc.def")
    said = "cannot open 'https://x.org/a.tif?se=1&sig=azure-secret' with\nBearer abc.def, (http://y.org/?k=secret)"
    assert without_secrets(said) == "cannot open 'https://x.org/a.tif' with Bearer ..., (http://y.org/)"


@pytest.mark.parametrize("trouble", ["503", "429", "403", "html", "cut"])
@pytest.mark.parametrize("times", [1, 3])
def test_trouble_that_passes_is_waited_out(provider, at_once, trouble, times):
    """GDAL's own retries see neither a page of HTML with status 200 nor a file that ends too early."""
    provider.troubles = [trouble] * times
    assert patiently(AZURE) == 7
    assert at_once == list(access.RETRY_WAITS_S[:times])


def test_a_refused_token_is_replaced_before_it_expires(provider, at_once):
    assert patiently(AZURE) == 7
    provider.revoked.add("azure-secret-1")
    assert patiently(AZURE) == 7
    assert provider.tokens == 2


def test_a_token_that_another_worker_has_renewed_is_kept(provider):
    first = sign(AZURE)
    forget_token("landsateuwest", "landsat-c2", f"{AZURE}?sig=older")
    assert sign(AZURE) == first
    forget_token("landsateuwest", "landsat-c2", first)
    assert sign(AZURE) != first


def test_refusal_stops_with_one_line(provider, at_once):
    provider.troubles = ["403"] * 99
    with pytest.raises(UserError, match="^item X: asset red: .* is refused: its token is not accepted") as error:
        patiently(AZURE)
    assert not isinstance(error.value, UnusableItemError)
    assert "\n" not in str(error.value)
    assert "secret" not in str(error.value)


def test_a_provider_that_stays_down_stops_with_one_line(provider, at_once):
    provider.troubles = ["503"] * 99
    with pytest.raises(UserError, match=r"^item X: asset red: .* cannot be read \(HTTP response code: 503\)$") as error:
        patiently(AZURE)
    assert not isinstance(error.value, UnusableItemError)
    assert at_once == list(access.RETRY_WAITS_S)


@pytest.mark.parametrize(("trouble", "said"), [("html", "is not an image"), ("cut", "cannot be read")])
def test_a_file_that_is_damaged_at_every_try_drops_its_item(provider, at_once, trouble, said):
    provider.troubles = [trouble] * 99
    with pytest.raises(UnusableItemError, match=f"^item X: asset red: .* {said}"):
        patiently(AZURE)
    assert at_once == list(access.RETRY_WAITS_S)


def test_a_missing_file_is_not_asked_for_again(provider, at_once):
    provider.gone = True
    with pytest.raises(UnusableItemError, match="^item X: asset red: .* does not exist"):
        patiently(AZURE)
    assert at_once == []


def test_a_missing_login_stops_at_once(provider, earthdata, bucket, at_once):
    for href in (earthdata, bucket):
        with pytest.raises(UserError, match="EARTHDATA_TOKEN|AWS_SECRET_ACCESS_KEY") as error:
            patiently(href)
        assert not isinstance(error.value, UnusableItemError)
    assert at_once == []


def test_other_readers_name_their_own_failures(at_once):
    tries = []

    def fail_twice(address):
        tries.append(address)
        if len(tries) < 3:
            raise RuntimeError("Error reading Window")
        return len(tries)

    assert with_retries("http://archive.anyband.test/x.tif", fail_twice, "item X", failures=(RuntimeError,)) == 3
    with pytest.raises(ZeroDivisionError):
        with_retries("http://archive.anyband.test/x.tif", lambda address: 1 // 0, "item X")


def test_importing_access_is_light():
    code = (
        "import anyband.raster.access, sys; print([m for m in ('requests', 'rasterio', 'numpy') if m in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
