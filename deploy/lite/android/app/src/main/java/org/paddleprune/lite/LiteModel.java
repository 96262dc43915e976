package org.paddleprune.lite;

import com.baidu.paddle.lite.MobileConfig;
import com.baidu.paddle.lite.PaddlePredictor;
import com.baidu.paddle.lite.PowerMode;
import com.baidu.paddle.lite.Tensor;
import java.util.ArrayList;
import java.util.List;
import org.paddleprune.lite.core.Manifest;
import org.paddleprune.lite.core.Results;

/** The network in Paddle Lite's runtime. */
final class LiteModel {
    private final PaddlePredictor predictor;
    private final Manifest manifest;

    /** `file`: path of the .nb file on the phone's storage. */
    LiteModel(String file, Manifest manifest, int threads, PowerMode mode) {
        MobileConfig config = new MobileConfig();
        config.setModelFromFile(file);
        config.setThreads(threads);
        config.setPowerMode(mode);
        predictor = PaddlePredictor.createPaddlePredictor(config);
        this.manifest = manifest;
    }

    /** All outputs for one image [1, 3, height, width]. */
    List<Results.Output> run(float[] image) {
        Tensor input = predictor.getInput(0);
        input.resize(new long[] {1, 3, manifest.height, manifest.width});
        input.setData(image);
        predictor.run();
        List<Results.Output> outputs = new ArrayList<>();
        int count = manifest.task.equals("detection") ? 2 : 1;
        for (int i = 0; i < count; i++) {
            Tensor tensor = predictor.getOutput(i);
            outputs.add(new Results.Output(tensor.shape(), i == 0 ? tensor.getFloatData() : floats(tensor.getIntData())));
        }
        return outputs;
    }

    private static float[] floats(int[] values) {
        float[] result = new float[values.length];
        for (int i = 0; i < values.length; i++) {
            result[i] = values[i];
        }
        return result;
    }
}
