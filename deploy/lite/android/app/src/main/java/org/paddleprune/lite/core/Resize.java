package org.paddleprune.lite.core;

/** One channel to another size, as OpenCV does it: by area where both sides shrink, else bilinear. */
final class Resize {
    private Resize() {}

    /** `area`: where a side grows after all, OpenCV's area kind of bilinear weights is used for both. */
    static float[] plane(float[] from, int width, int height, int toWidth, int toHeight, boolean area) {
        boolean average = area && toWidth <= width && toHeight <= height;
        float[] rows = new float[toWidth * height];
        float[] result = new float[toWidth * toHeight];
        for (int x = 0; x < toWidth; x++) {
            Weights w = average ? Weights.ofArea(x, width, toWidth) : Weights.ofLine(x, width, toWidth, area);
            for (int y = 0; y < height; y++) {
                float sum = 0;
                for (int i = 0; i < w.values.length; i++) {
                    sum += w.values[i] * from[y * width + w.first + i];
                }
                rows[y * toWidth + x] = sum;
            }
        }
        for (int y = 0; y < toHeight; y++) {
            Weights w = average ? Weights.ofArea(y, height, toHeight) : Weights.ofLine(y, height, toHeight, area);
            for (int x = 0; x < toWidth; x++) {
                float sum = 0;
                for (int i = 0; i < w.values.length; i++) {
                    sum += w.values[i] * rows[(w.first + i) * toWidth + x];
                }
                result[y * toWidth + x] = sum;
            }
        }
        return result;
    }

    /** What one new pixel takes from the old ones of its line: from `first` on, these parts. */
    private static final class Weights {
        final int first;
        final float[] values;

        Weights(int first, float... values) {
            this.first = first;
            this.values = values;
        }

        static Weights ofArea(int place, int size, int toSize) {
            double scale = size / (double) toSize;
            double low = place * scale;
            double high = Math.min(size, low + scale);
            int first = (int) Math.floor(low + 1e-9);
            int last = Math.min(size, (int) Math.ceil(high - 1e-9));
            float[] values = new float[last - first];
            for (int i = first; i < last; i++) {
                values[i - first] = (float) ((Math.min(high, i + 1) - Math.max(low, i)) / (high - low));
            }
            return new Weights(first, values);
        }

        static Weights ofLine(int place, int size, int toSize, boolean area) {
            double scale = size / (double) toSize;
            int first;
            float part;
            if (area) {
                first = (int) Math.floor(place * scale);
                double rest = (place + 1) - (first + 1) / scale;
                part = rest <= 0 ? 0 : (float) (rest - Math.floor(rest));
            } else {
                double middle = (place + 0.5) * scale - 0.5;
                first = (int) Math.floor(middle);
                part = (float) (middle - first);
            }
            if (first < 0) {
                return new Weights(0, 1f);
            }
            return first >= size - 1 ? new Weights(size - 1, 1f) : new Weights(first, 1 - part, part);
        }
    }
}
