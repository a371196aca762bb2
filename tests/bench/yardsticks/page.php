<?php

// The service's two reads as a plain page of PHP 8.2: no framework, one native prepared statement a request, the connection
// kept for the next one. Like climit.c it has nothing that a service needs besides.

declare(strict_types=1);

const CALLS_TYPE = 'notification/webhook/calls';
const ATTRIBUTES = ['http_code', 'headers', 'body', 'created_at'];

function send(string $status, array $document): never
{
    $json = json_encode(
        ['jsonapi' => ['version' => '1.1']] + $document,
        JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE | JSON_INVALID_UTF8_SUBSTITUTE | JSON_THROW_ON_ERROR
    );
    header("Status: $status");
    header('Content-Type: application/vnd.api+json');
    header('Vary: Accept');
    header('X-Request-Id: ' . $_SERVER['REQUEST_ID']);
    header('Cache-Control: private, no-cache');
    header('X-Content-Type-Options: nosniff');
    if (strlen($json) <= 64 << 10) {
        header('Content-Length: ' . strlen($json));
    }
    echo $json;
    exit;
}

function fail(string $status, string $title): never
{
    send($status, ['errors' => [['status' => substr($status, 0, 3), 'title' => $title]]]);
}

function page_parameter(string $value, int $max): int
{
    if (!preg_match('/^[1-9][0-9]{0,17}$/D', $value) || (int) $value > $max) {
        fail('400 Bad Request', 'Invalid query parameter');
    }
    return (int) $value;
}

function database(): PDO
{
    return new PDO(
        'mysql:unix_socket=' . getenv('YARDSTICK_DB_SOCKET') . ';dbname=' . getenv('YARDSTICK_DB_NAME') . ';charset=utf8mb4',
        getenv('YARDSTICK_DB_USER'),
        trim(file_get_contents(getenv('YARDSTICK_DB_PASSWORD_FILE'))),
        [
            PDO::ATTR_PERSISTENT => true,
            PDO::ATTR_EMULATE_PREPARES => false,
            PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION,
            PDO::ATTR_DEFAULT_FETCH_MODE => PDO::FETCH_ASSOC,
            PDO::MYSQL_ATTR_USE_BUFFERED_QUERY => false, // the faster way, by a sixth for a page of 1000
        ]
    );
}

function link_to(string $path, array $parameters): string
{
    $parts = [];
    foreach ($parameters as [$name, $value]) {
        $part = rawurlencode($name) . ($value === null ? '' : '=' . rawurlencode($value));
        $parts[] = strtr($part, ['%2C' => ',', '%3A' => ':', '%2F' => '/']);
    }
    return $parts ? $path . '?' . implode('&', $parts) : $path;
}

if (!preg_match('~^/api/v3/notification/webhook/(0|[1-9][0-9]{0,17})/calls(?:/(0|[1-9][0-9]{0,17}))?$~D', $_SERVER['DOCUMENT_URI'], $path)) {
    fail('404 Not Found', 'Not found');
}
if ($_SERVER['REQUEST_METHOD'] !== 'GET') {
    fail('405 Method Not Allowed', 'Method not allowed');
}
$webhook_id = (int) $path[1];
$call_id = isset($path[2]) ? (int) $path[2] : null;

// Not $_GET, which has neither the order nor the spelling that the links keep.
$parameters = [];
$size = 1000;
$number = 1;
$number_at = null;
$fields = null;
foreach (explode('&', $_SERVER['QUERY_STRING']) as $part) {
    if ($part === '') {
        continue;
    }
    $pair = explode('=', $part, 2);
    $name = urldecode($pair[0]);
    $value = isset($pair[1]) ? urldecode($pair[1]) : null;
    if ($name === 'fields[' . CALLS_TYPE . ']') {
        $fields = array_merge($fields ?? [], explode(',', $value ?? ''));
    } elseif ($call_id === null && $name === 'page[size]') {
        $size = page_parameter($value ?? '', 1000);
    } elseif ($call_id === null && $name === 'page[number]') {
        $number = page_parameter($value ?? '', intdiv(PHP_INT_MAX, 1000));
        $number_at = count($parameters);
    } else {
        fail('400 Bad Request', 'Invalid query parameter');
    }
    $parameters[] = [$name, $value];
}
$attributes = $fields === null ? ATTRIBUTES : array_intersect(ATTRIBUTES, $fields);
$relationships = ['webhook' => ['data' => ['type' => 'notification/webhooks', 'id' => $path[1]]]];
if ($fields !== null && !in_array('webhook', $fields, true)) {
    $relationships = null;
}

$statement = database()->prepare(
    'SELECT ' . implode(',', array_map(fn ($column) => "c.$column", ['id', ...$attributes])) .
    ' FROM webhook_calls c FORCE INDEX (PRIMARY) WHERE c.webhook_id=? AND c.created_at>UTC_TIMESTAMP(3)-INTERVAL 60 DAY' .
    ($call_id === null ? ' ORDER BY c.id LIMIT ? OFFSET ?' : ' AND c.id=?')
);
$statement->bindValue(1, $webhook_id, PDO::PARAM_INT);
if ($call_id === null) {
    $statement->bindValue(2, $size + 1, PDO::PARAM_INT);
    $statement->bindValue(3, ($number - 1) * $size, PDO::PARAM_INT);
} else {
    $statement->bindValue(2, $call_id, PDO::PARAM_INT);
}
$statement->execute();

$data = [];
foreach ($statement as $row) {
    $resource = ['type' => CALLS_TYPE, 'id' => (string) $row['id']];
    if ($attributes) {
        unset($row['id']);
        if (isset($row['created_at'])) {
            $row['created_at'][10] = 'T';
            $row['created_at'] .= 'Z';
        }
        $resource['attributes'] = $row;
    }
    if ($relationships) {
        $resource['relationships'] = $relationships;
    }
    $data[] = $resource;
}
$statement = null;

$self = link_to($_SERVER['DOCUMENT_URI'], $parameters);
if ($call_id !== null) {
    $data ? send('200 OK', ['data' => $data[0], 'links' => ['self' => $self]]) : fail('404 Not Found', 'Not found');
}
$page = function (int $number) use ($parameters, $number_at): string {
    $parameters[$number_at ?? count($parameters)] = ['page[number]', (string) $number];
    return link_to($_SERVER['DOCUMENT_URI'], $parameters);
};
$links = ['self' => $self, 'first' => $page(1)];
if ($number > 1) {
    $links['prev'] = $page($number - 1);
}
if (count($data) > $size) {
    array_pop($data);
    $links['next'] = $page($number + 1);
}
send('200 OK', ['data' => $data, 'links' => $links]);
