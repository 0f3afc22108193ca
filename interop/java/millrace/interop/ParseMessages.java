package millrace.interop;

import org.apache.kafka.common.message.ApiMessageType;
import org.apache.kafka.common.protocol.ApiMessage;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.MessageUtil;

import java.io.IOException;
import java.lang.reflect.Method;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;

/**
 * Parses bodies of requests and responses with Kafka's own classes and writes them again: a line
 * "request|response key version hex" becomes "hex json". A body that Kafka cannot parse, or that it
 * does not use up, becomes "error" and why.
 *
 * <p>Usage: ParseMessages input-file output-file.
 */
public final class ParseMessages {
    private ParseMessages() {}

    public static void main(String[] arguments) throws IOException {
        List<String> answers = new ArrayList<>();
        for (String line : Files.readAllLines(Path.of(arguments[0]))) {
            answers.add(answer(line.split(" ", -1)));
        }
        Files.write(Path.of(arguments[1]), answers, StandardCharsets.UTF_8);
    }

    private static String answer(String[] parts) {
        try {
            ApiMessageType type = ApiMessageType.fromApiKey(Short.parseShort(parts[1]));
            short version = Short.parseShort(parts[2]);
            ApiMessage message =
                    parts[0].equals("request") ? type.newRequest() : type.newResponse();
            ByteBuffer body = ByteBuffer.wrap(HexFormat.of().parseHex(parts[3]));
            message.read(new ByteBufferAccessor(body), version);
            if (body.hasRemaining()) {
                return "error " + body.remaining() + " bytes are left";
            }
            ByteBuffer again =
                    MessageUtil.toByteBufferAccessor(message, version).buffer();
            byte[] bytes = new byte[again.remaining()];
            again.get(bytes);
            return HexFormat.of().formatHex(bytes) + " " + json(message, version);
        } catch (Exception | LinkageError problem) {
            return "error " + problem.toString().replace('\n', ' ');
        }
    }

    private static String json(ApiMessage message, short version)
            throws ReflectiveOperationException {
        Class<?> converter = Class.forName(message.getClass().getName() + "JsonConverter");
        Method write = converter.getMethod("write", message.getClass(), short.class);
        return write.invoke(null, message, version).toString();
    }
}
