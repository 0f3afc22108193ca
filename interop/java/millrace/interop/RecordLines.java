package millrace.interop;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.util.MinimalPrettyPrinter;

import org.apache.kafka.common.header.Header;

import java.io.BufferedOutputStream;
import java.io.Closeable;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;

/**
 * A file of JSON lines, one record each: offset, timestamp, key, value, headers. Keys and values
 * are base64 or null, headers are pairs in their stored order. Callers add fields of their own
 * before {@link #end}. Not thread safe.
 */
final class RecordLines implements Closeable {
    private final JsonGenerator json;

    RecordLines(Path file) throws IOException {
        json =
                new JsonFactory()
                        .createGenerator(
                                new BufferedOutputStream(Files.newOutputStream(file), 1 << 16));
        json.setPrettyPrinter(new MinimalPrettyPrinter("\n"));
    }

    JsonGenerator begin(
            long offset, long timestamp, byte[] key, byte[] value, Iterable<Header> headers)
            throws IOException {
        json.writeStartObject();
        json.writeNumberField("offset", offset);
        json.writeNumberField("timestamp", timestamp);
        json.writeStringField("key", base64(key));
        json.writeStringField("value", base64(value));
        json.writeArrayFieldStart("headers");
        for (Header header : headers) {
            json.writeStartArray();
            json.writeString(header.key());
            json.writeString(base64(header.value()));
            json.writeEndArray();
        }
        json.writeEndArray();
        return json;
    }

    void end() throws IOException {
        json.writeEndObject();
    }

    @Override
    public void close() throws IOException {
        json.close();
    }

    /** The bytes between position and limit, leaving both as they are; null stays null. */
    static byte[] bytesOf(ByteBuffer buffer) {
        if (buffer == null) return null;
        byte[] bytes = new byte[buffer.remaining()];
        buffer.duplicate().get(bytes);
        return bytes;
    }

    private static String base64(byte[] bytes) {
        return bytes == null ? null : Base64.getEncoder().encodeToString(bytes);
    }
}
