package millrace.interop;

import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.apache.kafka.common.header.Header;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;

/**
 * How lines of a transcript look. It says what a client saw, and nothing that differs from run to
 * run: times count from BASE_MS, ids of members and of producers are left out.
 */
final class Transcript {
    static final long BASE_MS = System.currentTimeMillis() - 1_000_000;
    private static final long WAIT_MS_MAX = 60_000;
    private static final int SHOWN_CHARACTERS_MAX = 40;

    private Transcript() {}

    static String valueOf(int i) {
        return switch (i) {
            case 3 -> "";
            case 7 -> null;
            case 9 -> "large ".repeat(20_000);
            default -> "välue " + i;
        };
    }

    static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    static List<String> values(List<ConsumerRecord<String, String>> records) {
        return records.stream().map(ConsumerRecord::value).toList();
    }

    static String shown(ConsumerRecord<String, String> record) {
        List<String> labels = new ArrayList<>();
        for (Header header : record.headers()) {
            byte[] content = header.value();
            labels.add(header.key() + "=" + (content == null ? null : new String(content)));
        }
        String value = record.value();
        boolean isLong = value != null && value.length() > SHOWN_CHARACTERS_MAX;
        String text = isLong ? value.length() + " " + value.hashCode() : value;
        return record.partition() + "@" + place(record.offset(), record.timestamp()) + " "
                + record.timestampType() + " " + record.key() + " " + text + " " + labels;
    }

    static String place(long offset, long timeMs) {
        return offset + " " + (timeMs < 0 ? "no time" : "t+" + (timeMs - BASE_MS));
    }

    static void section(String name) {
        System.out.println("== " + name);
    }

    static void say(Object... words) {
        System.out.println(String.join(" ", Arrays.stream(words).map(String::valueOf).toList()));
    }

    /** The kind of the error, which is what a program acts on. */
    static void sayError(String what, Callable<?> call) {
        try {
            call.call();
            say(what, "no error");
        } catch (ExecutionException error) {
            say(what, error.getCause().getClass().getSimpleName());
        } catch (Exception error) {
            say(what, error.getClass().getSimpleName());
        }
    }

    static void sayError(String what, Runnable call) {
        sayError(what, () -> {
            call.run();
            return null;
        });
    }

    /** Returns once it is so; waits for it, since servers tell news with a delay. */
    static Object until(String what, Callable<Boolean> isSo) throws Exception {
        long end = System.currentTimeMillis() + WAIT_MS_MAX;
        while (!isSoByNow(isSo)) {
            if (System.currentTimeMillis() > end) {
                throw new IllegalStateException("waited in vain for " + what);
            }
            Thread.sleep(20);
        }
        return null;
    }

    /** A topic that is not known yet is no answer. */
    static boolean isSoByNow(Callable<Boolean> isSo) throws Exception {
        try {
            return isSo.call();
        } catch (ExecutionException error) {
            if (error.getCause() instanceof UnknownTopicOrPartitionException) {
                return false;
            }
            throw error;
        }
    }
}
