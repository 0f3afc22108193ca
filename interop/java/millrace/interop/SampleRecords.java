package millrace.interop;

import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/**
 * Records for partition 0 of a topic, the same ones in every run. Together they cover what the
 * format can express: null and empty keys and values, headers that are absent, null, empty,
 * repeated or not ASCII, values from nothing to most of a megabyte, times that go backwards.
 */
final class SampleRecords {
    /** A day in November 2023; old enough that no clock of today is before it. */
    static final long TIME_START_MS = 1_700_000_000_000L;

    private static final int LARGE_VALUE_BYTES = 700_000;

    private final String topic;
    private final Random random = new Random(20_260_101);
    private int count = 0;

    SampleRecords(String topic) {
        this.topic = topic;
    }

    ProducerRecord<byte[], byte[]> next() {
        int i = count++;
        long timestamp = TIME_START_MS + i * 7L - (i % 10 == 3 ? 5_000 : 0);
        return new ProducerRecord<>(topic, 0, timestamp, key(i), value(i), headers(i));
    }

    static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    byte[] noise(int size) {
        byte[] bytes = new byte[size];
        random.nextBytes(bytes);
        return bytes;
    }

    private byte[] key(int i) {
        if (i % 7 == 0) return null;
        if (i % 11 == 0) return new byte[0];
        return utf8("key-" + i);
    }

    private byte[] value(int i) {
        if (i == 100) return noise(LARGE_VALUE_BYTES);
        if (i % 13 == 0) return null;
        if (i % 17 == 0) return new byte[0];
        if (i % 5 == 0) return noise(random.nextInt(400));
        if (i % 97 == 0) return utf8("{\"order\":" + i + "},".repeat(2_000));
        return utf8(
                "order "
                        + i
                        + " of customer "
                        + random.nextInt(50)
                        + " ".repeat(random.nextInt(80)));
    }

    private List<Header> headers(int i) {
        List<Header> headers = new ArrayList<>();
        if (i % 3 == 0) return headers;
        headers.add(new RecordHeader("trace", noise(8)));
        if (i % 4 == 0) headers.add(new RecordHeader("трасса-✓", utf8("значение")));
        if (i % 5 == 0) headers.add(new RecordHeader("nothing", null));
        if (i % 8 == 0) headers.add(new RecordHeader("", new byte[0]));
        if (i % 10 == 1) headers.add(new RecordHeader("trace", utf8("again")));
        return headers;
    }
}
